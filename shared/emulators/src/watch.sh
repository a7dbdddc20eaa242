# Runs an emulator for as long as somebody uses it. Usage: bash watch.sh NAME PORT IDLE-SECONDS COMMAND...
# In the working directory: NAME.users is locked (shared) by whoever uses it, NAME.start (exclusive) by whoever starts
# or ends it, NAME.pid says which process it is. The kernel lets go of a lock when its process ends, however it ends.
name=$1 port=$2 idle_seconds=$3
shift 3
# Opened now: whoever tidies up temporary files may take the names away, and not the locks.
exec 8<>"$name.users" 9<>"$name.start"
set -m # a process group of its own for the emulator, children and all
"$@" >"$name.log" 2>&1 </dev/null 8>&- 9>&- &
pid=$!
set +m
echo "$pid" >"$name.pid"
idle=0
while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    if flock -n -x 8; then idle=$((idle + 1)); else idle=0; fi
    flock -u 8
    [ "$idle" -ge "$idle_seconds" ] || continue
    # Nobody can begin to use it while this holds the start.
    flock -n -x 9 && flock -n -x 8 && break
    flock -u 8
    flock -u 9
    idle=0
done
kill -KILL -- "-$pid" 2>/dev/null
for _ in $(seq 50); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    sleep 0.1
done
rm -f "$name.pid"
# One that only one process knows, by a name with a number in it, leaves nothing.
case "$name" in *-*) rm -f "$name.log" "$name.start" "$name.users" ;; esac
