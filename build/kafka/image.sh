#!/usr/bin/env bash
# Builds an image of Apache Kafka where no image can be pulled: the broker and
# its dependencies come from Maven Central, Java, the C library and a shell from
# Debian's packages. Nothing is installed on this machine and root is not
# needed, only Debian's apt-get and dpkg, Maven, and a Docker engine.
#
#	image.sh IMAGE VERSION
#
# It does nothing when the engine has the image, made from these very files. The
# file system of the image is kept in KVSIM_CACHE (default ~/.cache/kvsim), so
# another engine gets it without a download.
set -euo pipefail

image=${1:?image.sh IMAGE VERSION} version=${2:?image.sh IMAGE VERSION}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${KVSIM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kvsim}/kafka-image

say() { echo "kafka-image: $*" >&2; }
die() {
  say "$*"
  exit 1
}

command -v docker >/dev/null || die "the docker command is absent: run make docker-engine, as root"
docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
  die "no Docker engine answers at ${DOCKER_HOST:-its usual place}: run make docker-engine, as root"

# The inputs are the files here and the release; Debian's packages get fixes of
# their own, which a new build picks up.
inputs=$(cd "$here" && { cat Dockerfile image.sh pom.xml run ./*.yaml server.properties; echo "$version $(uname -m)"; } | sha256sum | cut -c1-16)
if [ "$(docker image inspect --format '{{index .Config.Labels "kvsim.inputs"}}' "$image" 2>/dev/null)" = "$inputs" ]; then
  say "the engine has $image already, nothing to do"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# java_package prints the newest headless Java 17 or later that Debian offers.
java_package() {
  local name
  for name in openjdk-25-jre-headless openjdk-21-jre-headless openjdk-17-jre-headless; do
    if [[ $(apt-cache policy "$name" 2>/dev/null) == *"Candidate: "[0-9]* ]]; then
      echo "$name"
      return
    fi
  done
  return 1
}

# download_packages puts them into $work/debs; the C++ runtime and zlib are what
# the JVM is linked with.
download_packages() (
  local java
  java=$(java_package) || return 1
  cd "$work/debs" || return 1
  apt-get -o APT::Sandbox::User= download -qq "$java" libc6 libgcc-s1 libstdc++6 zlib1g busybox-static
)

make_rootfs() {
  command -v apt-get >/dev/null || die "needs Debian's apt-get and dpkg-deb"
  command -v mvn >/dev/null || die "needs Maven: apt-get install maven"
  local root=$work/rootfs
  say "Debian packages: Java, C library, shell"
  mkdir "$work/debs"
  # Package lists may be absent, or so old that the packages are gone.
  if ! download_packages; then
    [ "$(id -u)" -eq 0 ] || die "apt can't download Java 17 or later and the C library: run apt-get update, as root"
    apt-get update -qq
    download_packages || die "apt can't download Java 17 or later and the C library"
  fi
  mkdir -p "$root"/{etc,tmp,proc,sys,dev,mnt/shared/config,opt/kafka/libs,opt/kafka/config,etc/kafka/docker}
  # Packages may have their files under /lib or under /usr/lib.
  local dir
  for dir in bin lib lib64; do
    mkdir -p "$root/usr/$dir"
    ln -s "usr/$dir" "$root/$dir"
  done
  chmod 1777 "$root/tmp" "$root/opt/kafka/config"
  local deb
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$root"; done
  rm -rf "$root"/usr/share/{doc,man,locale,lintian,bug,initramfs-tools} "$root"/usr/lib/jvm/*/lib/{ct.sym,libawt*,libmlib_image.so}
  ln -s "$(basename "$(ls -d "$root"/usr/lib/jvm/java-*-openjdk-*)")" "$root/usr/lib/jvm/java"
  local tool
  for tool in sh cat ls ps sleep touch kill mkdir rm cp mv grep head tail df du id find; do ln -sf busybox "$root/bin/$tool"; done
  echo 'root:x:0:0:root:/tmp:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

  say "Maven Central: org.apache.kafka:kafka_2.13:$version and its dependencies"
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -Dkafka.version="$version" \
    -DincludeScope=runtime -DoutputDirectory="$root/opt/kafka/libs" 2>&1 | sed 's/\x1b\[[0-9;]*m//g' >&2
  [ -f "$root/opt/kafka/libs/kafka_2.13-$version.jar" ] || die "Maven did not bring kafka_2.13-$version.jar"

  install -m 755 "$here/run" "$root/etc/kafka/docker/run"
  install -m 644 "$here"/*.yaml "$here/server.properties" "$root/etc/kafka/docker/"
  tar -C "$root" --owner=0 --group=0 --sort=name -cf "$work/rootfs.tar" .
}

archive=$cache/$version-$inputs.tar
if [ -f "$archive" ]; then
  say "file system from the cache, $archive"
  mkdir "$work/context"
  ln "$archive" "$work/context/rootfs.tar" 2>/dev/null || cp "$archive" "$work/context/rootfs.tar"
else
  make_rootfs
  mkdir -p "$cache" "$work/context"
  find "$cache" -name "$version-*.tar" -delete # of former inputs
  cp "$work/rootfs.tar" "$archive.$$" && mv "$archive.$$" "$archive"
  mv "$work/rootfs.tar" "$work/context/"
fi

cp "$here/Dockerfile" "$work/context/"
say "docker build"
docker build -q --label "kvsim.inputs=$inputs" --label "kvsim.kafka=$version" -t "$image" "$work/context" 2>"$work/log" >/dev/null || {
  cat "$work/log" >&2
  die "docker build failed"
}
docker image prune -f --filter label=kvsim.inputs >/dev/null # what the image was before
say "built $image, $(($(docker image inspect --format '{{.Size}}' "$image") / 1000000)) MB"
