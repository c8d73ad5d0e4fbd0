"""Running the product day after day: schedules, how fresh things are, incidents and their alerts.

overlap    what is going on now, and whether a refresh may begin
schedules  when what runs
sources    what came of each programme's last extraction
freshness  how old each layer is
watching   everything that is wrong at the moment, as findings
incidents  findings over time: opened, told once, closed
messages   an incident in words, for people; nothing of a person in it
channels   Slack-compatible webhook and e-mail
alerting   one round: look, compare, tell
"""
