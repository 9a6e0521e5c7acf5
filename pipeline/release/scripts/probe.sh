# shellcheck shell=sh disable=SC2154,SC2034,SC2153
# How the service is, what answers at health.url, and whose socket that is. The activation, the
# watch and the single look use it, so that one rule decides everywhere.
nl='
'
tab=$(printf '\t')
listeners=/proc/net/tcp
strangers=${STRANGERS:-} # inodes of sockets that listened before the new process could
uptime=0
body=
dotted=
told=
proved=
hex_of=
MOST=66000 # bytes of an answer that are read

# properties UNIT...: takes one process, however many units.
properties() {
  systemctl show -p ActiveState,SubState,MainPID,InvocationID,NRestarts,ControlGroup "$@" 9>&-
}

# value NAME: set $value to that property in $service, or to nothing.
value() {
  value=
  case "$nl$service" in
    *"$nl$1="*)
      value=$nl$service
      value=${value#*"$nl$1="}
      value=${value%%"$nl"*}
      ;;
  esac
}

# fetch SECONDS CURL-ARGUMENTS...: set $said to what curl prints, then a line with its exit status.
# A host's ~/.curlrc and proxies do not count. The x keeps newlines at a cut, so its length is true.
fetch() {
  said=$(
    {
      seconds=$1
      shift
      curl -q --noproxy '*' -s -m "$seconds" --max-filesize "$MOST" \
        -w "$nl%{http_code}/%{local_ip}/%{remote_ip}/%{remote_port}$nl" "$@" 2>/dev/null 9>&-
      echo "$?"
    } | head -c "$MOST" 9>&-
    echo x
  )
  said=${said%x}
  if [ "${#said}" -ge "$MOST" ]; then said="${nl}000///${nl}63$nl"; fi
  said=${said%"$nl"}
  ended=${said##*"$nl"}
  said=${said%"$nl"*}
}

# connection LINE: set $code and the two ends from what curl's -w gave.
connection() {
  code=${1%%/*}
  near=${1#*/}
  far=${near#*/}
  near=${near%%/*}
  port=${far#*/}
  far=${far%%/*}
}

# answer SECONDS: set $code, $body and curl's $ended to the answer of health.url.
answer() {
  read -r uptime _ </proc/uptime
  fetch "$1" "$HEALTH_URL"
  connection "${said##*"$nl"}"
  body=${said%"$nl"*}
  if [ "${#body}" -gt 2000 ]; then body=$(printf '%.2000s' "$body"); fi
}

# listening: set $heard to `ADDRESS UID INODE` of each socket that listens on $port. The kernel
# lists listening sockets first (proc(5)); no process is needed, and anybody may read it.
listening() {
  heard=
  if [ "$port" != "$hex_of" ]; then
    hex_of=$port
    hex=$(printf '%04X' "$port")
  fi
  for table in "$listeners" "${listeners}6"; do
    [ -r "$table" ] || continue
    while read -r _ local _ state _ _ _ uid _ inode _; do
      case "$state" in
        st) ;;
        0A) case "$local" in *:"$hex") heard="$heard${local%:*} $uid $inode$nl" ;; esac ;;
        *) break ;;
      esac
    done <"$table"
  done
}

# remember: note the sockets of $heard as strangers.
remember() {
  # shellcheck disable=SC2086
  set -- $heard
  while [ "$#" -ge 3 ]; do
    strangers="$strangers $3"
    shift 3
  done
}

# service_uid: set $uid to the user of the service's main process; without one, of its user's name.
service_uid() {
  value MainPID
  uid=
  key=
  if [ "${value:-0}" != 0 ]; then
    while read -r key uid _; do [ "$key" != Uid: ] || break; done 2>/dev/null <"/proc/$value/status"
    [ "$key" = Uid: ] || uid=
  fi
  [ -n "$uid" ] || uid=$(id -u "$SERVICE_USER" 2>/dev/null 9>&-)
}

# taker: set $uids and $inodes to those of the sockets that take a connection to $far:$port: one
# bound to the address, else one bound to any.
taker() {
  best=0
  uids=
  inodes=
  case "$far" in
    *:*.*) exact= ;;
    *.*)
      if [ "$dotted" != "$far" ]; then
        dotted=$far
        set -f
        IFS=.
        # shellcheck disable=SC2086
        set -- $far
        unset IFS
        set +f
        exact4=$(printf '%02X%02X%02X%02X' "$4" "$3" "$2" "$1")
      fi
      exact=$exact4
      ;;
    ::1) exact=00000000000000000000000001000000 ;;
    *) exact= ;;
  esac
  # shellcheck disable=SC2086
  set -- $heard
  while [ "$#" -ge 3 ]; do
    rank=0
    case "$1" in
      "$exact" | 0000000000000000FFFF0000"$exact") rank=3 ;;
      00000000) case "$far" in *:*) ;; *) rank=2 ;; esac ;;
      00000000000000000000000000000000) rank=1 ;;
      ????????) ;;
      # An IPv6 address in a form that is not taken apart here.
      *) case "$far" in ::1) ;; *:*) rank=1 ;; esac ;;
    esac
    if [ "$rank" -gt "$best" ]; then
      best=$rank
      uids=
      inodes=
    fi
    if [ "$rank" -gt 0 ] && [ "$rank" = "$best" ]; then
      uids="$uids $2"
      inodes="$inodes $3"
    fi
    shift 3
  done
}

# owner: set $owner to whose socket took the connection of the last `answer`: `own` the service's,
# `other WHO`, `afar` not on this host, `unseen` not to be told (a redirected port has no socket).
owner() {
  owner=afar
  [ -n "$far" ] && [ "$near" = "$far" ] || return 0
  listening
  taker
  owner=unseen
  [ -n "$uids" ] || return 0
  service_uid
  [ -n "$uid" ] || return 0
  owner=own
  for one in $uids; do [ "$one" = "$uid" ] || owner=other; done
  for one in $inodes; do
    case " $strangers " in *" $one "*) owner=other ;; esac
  done
  # Once for each socket: a process of the same user may belong to another unit.
  if [ "$owner" = own ] && [ "$proved" != "$inodes" ]; then
    value ControlGroup
    for one in $inodes; do
      group "$one"
      case "$group" in
        "$value" | "$value"/*) ;;
        *.service | *.scope) owner=other ;;
      esac
    done
    [ "$owner" = other ] || proved=$inodes
  fi
  if [ "$owner" = other ]; then
    if [ "$told" != "$inodes" ]; then
      told=$inodes
      holder
    fi
    owner="other $held"
  fi
}

# group INODE: set $group to the control group of that socket, and $seen to all that ss says of it.
# Reading other users' descriptors takes root; this does not. Nothing where there is no ss.
group() {
  seen=$(ss -Htlnep "sport = :$port" 2>/dev/null 9>&- | grep "ino:$1 ")
  group=${seen##* cgroup:}
  group=${group%% *}
  [ "$group" != "$seen" ] || group=
}

# holder: set $held to who holds the first socket of $uids and $inodes, as far as we can see it.
holder() {
  one=${uids# }
  one=${one%% *}
  inode=${inodes# }
  inode=${inode%% *}
  held="user $(getent passwd "$one" 2>/dev/null | sed 's/:.*//') (uid $one)"
  group "$inode"
  pids=$(printf '%s\n' "$seen" | sed -n 's/.*pid=\([0-9]*\).*/\1/p')
  case "$group" in
    *.service | *.scope)
      held="unit ${group##*/}, $held"
      [ -n "$pids" ] || pids=$(cat "/sys/fs/cgroup$group/cgroup.procs" 2>/dev/null)
      ;;
  esac
  if [ -z "$pids" ] && [ "$one" != 0 ]; then
    pids=$(for d in /proc/[0-9]*; do
      while read -r key has _; do [ "$key" != Uid: ] || break; done 2>/dev/null <"$d/status"
      if [ "$key $has" = "Uid: $one" ]; then echo "${d#/proc/}"; fi
    done)
    pids=$(printf '%s\n' "$pids" | head -n 4)
  fi
  # shellcheck disable=SC2086
  set -- $pids
  case "$#" in
    1) held="pid $1 ($(cat "/proc/$1/comm" 2>/dev/null)), $held" ;;
    2 | 3) held="one of the pids $*, $held" ;;
    *) held="$held; its pid cannot be seen from here, as root: ss -ltnp 'sport = :$port'" ;;
  esac
  held=$(printf '%s' "$held" | tr -c '[:print:]' '?')
}
