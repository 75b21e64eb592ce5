"""The checks of `promptcot doctor` before anything is paid for: the machine, the models, the servers, and a trial of
three rows.

Nothing is printed here. The parts: `findings` (the result of a check), `machine` (hardware and libraries), `models`
(the engine of each model, and whether it can run), `servers` (endpoints) and `trial` (three rows through the recipe,
and the estimate).
"""
