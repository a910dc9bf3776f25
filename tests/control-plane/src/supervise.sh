# Runs one command for an owner that may die at any moment, and never leaves the command behind.
#
#   sh -c THIS supervise LOG ORPHANED COMMAND [ARGUMENT...]
#
# LOG       file the command's output is appended to
# ORPHANED  folder to remove if the owner vanishes, or empty
# stdout    one line: the process id of the command
# stdin     the owner's end of a pipe. Each line is the name of a signal to send; the end of the pipe means that the owner is
#           gone. No process id leaves this shell for signalling, so none can be mistaken for a later process of that number.
log=$1
orphaned=$2
shift 2

exec 3<&0 </dev/null 2>>"$log"
"$@" >>"$log" 2>&1 3<&- &
child=$!
echo "$child"
exec >/dev/null

(
    while read -r signal <&3; do
        kill -s "$signal" "$child"
    done
    trap '' TERM
    kill -s KILL "$child"
    exit 77
) 2>/dev/null &
watcher=$!

wait "$child"
status=$?
{
    kill -s TERM "$watcher"
    wait "$watcher"
    if [ $? = 77 ] && [ -n "$orphaned" ]; then
        rm -rf -- "$orphaned"
    fi
} 2>/dev/null
exit "$status"
