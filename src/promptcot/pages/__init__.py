"""What pages of HTML are made of: formulas as MathML, charts as SVG, one problem with its history, one stylesheet.

Decides how texts that models wrote are shown so that nothing in them can become markup. What is shown, and in which
order, is for `report` and `viewer`.
"""
