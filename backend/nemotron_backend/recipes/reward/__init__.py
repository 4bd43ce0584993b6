"""How a small reward model is made: right answers of the task suite against spoilt ones."""
