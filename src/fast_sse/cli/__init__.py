"""The command `fast-sse`: each file of a command reads its options, calls the application, and prints.

main          the command line, and how each command ends
commands      which commands there are; none is imported before it is asked for
serve         `fast-sse serve`
demo          `fast-sse demo`
supervisor    a parent that starts its hub again
config        `fast-sse config`
doctor        `fast-sse doctor`
backup        `fast-sse backup`
restore       `fast-sse restore`
compact       `fast-sse compact`
publishing    `fast-sse publish`
subscribe     `fast-sse subscribe`
delivery      `fast-sse delivery`
dlq           `fast-sse dlq`
sign          `fast-sse sign`
wait          `fast-sse wait`
bench         `fast-sse bench`
process       what one process does around the application
log_place     where a command finds the log of SQLite
completing    what a tab offers for a value
sizes         KiB and MiB
credentials   where the commands find a secret
remote        a hub as the commands see it: address, paths, curl lines
admin         its operators' listener
exact         JSON as the text that it is

`main` turns errors into exit statuses: 2 for what the caller can change, 1 for everything else.
"""
