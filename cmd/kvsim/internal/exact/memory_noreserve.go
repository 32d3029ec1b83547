//go:build linux

package exact

import "syscall"

// mapNoReserve keeps the reserved range out of the system's accounts.
const mapNoReserve = syscall.MAP_NORESERVE
