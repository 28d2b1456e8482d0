"""Trained policies outside training: acting, files, export."""
