"""HopQA: answer a question about people by searching for documents.

``env`` the rules; ``level`` state, parameters, documents, belief and oracle; ``words`` its sentences, commands and
captions.
"""
