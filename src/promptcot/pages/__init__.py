"""The parts of HTML pages: formulas as MathML, charts as SVG, one problem with its history, and the stylesheet.

Decides how text from models is shown so that nothing in it can become markup. `report` and `viewer` decide what is
shown, and in which order.
"""
