"""`fast-sse bench`: load on a hub, and what came of it in figures and in words.

hub      a hub that is started when none is given
target   a hub as the load generator sees it
rows     what is shown of the figures, and how two of them compare
verdict  what a run means, in words
compare  this run beside an earlier one
show     what is printed
options  the options, and what they cannot be
command  the command
"""
