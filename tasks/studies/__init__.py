"""Studies: tasks that bring their own data and models, such as tables, texts and games.

A study called NAME is a key of a configuration and a package here. Its settings are a class in ``NAME.settings``, which
is light to import; ``NAME.study`` has ``run(settings, context)``, which returns the report's sections and the numbers.
"""
