"""A study's runs together: one table of numbers, tables for a paper, figures.

reading    what each run has left, and what is missing of it
measures   its numbers in long form
tables     Markdown and LaTeX
figures    PDF and SVG
writing    all of it into one folder, each with the command and the contents behind it
"""
