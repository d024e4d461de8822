"""Who may learn what: the Cedar rulebook, the catalogues and their evaluator. Pure."""
