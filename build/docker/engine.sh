#!/usr/bin/env bash
# Starts and stops a Docker engine on a machine that has none, for the tests on
# real Kafka.
#
#	engine.sh start    does nothing when an engine answers; else, as root,
#	                   installs Debian's docker.io if need be and starts it
#	engine.sh stop     stops the engine that start started, and no other
#
# Images and containers are kept in KVSIM_CACHE (default ~/.cache/kvsim), apart
# from those of an engine that the system starts itself.
set -euo pipefail

cache=${KVSIM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kvsim}
socket=/var/run/docker.sock
pidfile=/var/run/kvsim-docker.pid
log=$cache/docker.log

say() { echo "docker-engine: $*" >&2; }
die() {
  say "$*"
  exit 1
}

answers() { docker version --format '{{.Server.Version}}' 2>/dev/null; }

# cleanup removes what an engine of ours left outside of the cache.
cleanup() { rm -rf "$socket" /var/run/kvsim-docker; }

install_engine() {
  command -v dockerd >/dev/null && command -v docker >/dev/null && command -v iptables >/dev/null && return
  command -v apt-get >/dev/null || die "dockerd is absent and so is apt-get: install a Docker engine and run again"
  say "installing Debian's docker.io and iptables"
  export DEBIAN_FRONTEND=noninteractive
  local packages=(docker.io iptables)
  apt-get update -qq
  # Since Debian 13 the command is a package of its own.
  if ! command -v docker >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then packages+=(docker-cli); fi
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null 2>"$cache/apt.log" || {
    tail -n 20 "$cache/apt.log" >&2
    die "could not install ${packages[*]}"
  }
}

# launch FLAG... starts dockerd and waits until it answers or ends.
launch() {
  setsid dockerd --host="unix://$socket" --pidfile="$pidfile" \
    --data-root="$cache/docker" --exec-root=/var/run/kvsim-docker "$@" \
    >>"$log" 2>&1 </dev/null &
  local pid=$! deadline=$((SECONDS + 60))
  while kill -0 "$pid" 2>/dev/null; do
    answers >/dev/null && return 0
    if [ $SECONDS -ge $deadline ]; then
      kill "$pid"
      wait "$pid" || true
      break
    fi
    sleep 0.2
  done
  return 1
}

start() {
  local version
  if version=$(answers); then
    say "engine $version answers already, nothing to do"
    return
  fi
  [ -z "${DOCKER_HOST:-}" ] || die "DOCKER_HOST is $DOCKER_HOST and no engine answers there: unset it, or start that engine"
  [ "$(id -u)" -eq 0 ] || die "no Docker engine answers and only root can start one: start Docker, or run this as root"
  mkdir -p "$cache"
  install_engine
  : >"$log"
  # A machine that forbids packet filters or overlay mounts may still allow
  # the rest. Without packet filters three brokers can't find each other.
  local flags
  for flags in "" "--iptables=false --ip6tables=false" "--storage-driver=vfs" "--storage-driver=vfs --iptables=false --ip6tables=false"; do
    # shellcheck disable=SC2086 # flags are words
    if launch $flags; then
      say "started engine $(answers)${flags:+ with $flags}, data in $cache/docker"
      return
    fi
    say "dockerd $flags does not run here: $(grep -oE 'msg="[^"]*"|failed to .*|.*denied.*|.*not permitted.*' "$log" | tail -n 1)"
  done
  cleanup
  die "no Docker engine can run on this machine, its log is $log"
}

stop() {
  local pid
  if ! pid=$(cat "$pidfile" 2>/dev/null) || [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != dockerd ]; then
    say "no engine of ours runs"
    return
  fi
  docker -H "unix://$socket" ps -aq --filter label=com.github.kvsim.realkafka | xargs -r docker -H "unix://$socket" rm -f -v >/dev/null || true
  kill "$pid"
  local deadline=$((SECONDS + 30))
  while kill -0 "$pid" 2>/dev/null; do
    [ $SECONDS -lt $deadline ] || die "process $pid does not end"
    sleep 0.2
  done
  cleanup
  say "stopped"
}

case ${1:-} in
  start | stop) "$1" ;;
  *)
    echo "usage: engine.sh start|stop" >&2
    exit 64
    ;;
esac
