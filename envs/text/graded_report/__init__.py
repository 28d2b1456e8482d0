"""GradedReport: write a report for a grader that is pleased more easily than by the truth.

``env`` the rules; ``level`` state, parameters, levels, graders and oracle; ``words`` its sentences, commands and
captions.
"""
