"""Torch's functions and layers on Paddle: torch's names, arguments and meaning.

One table serves functions, methods and operators, which torch names alike: ``torch.add``, ``x.add`` and ``x + y`` are
``add``, and ``add_`` is ``add`` in place. Functions here never work in place. Where Paddle's function of that name
means something else, another one is composed; what no composition gives is not in the table, or named in `LIMITS`.

The tables are in `catalogue`, which needs Paddle; this package can be imported without it.
"""
