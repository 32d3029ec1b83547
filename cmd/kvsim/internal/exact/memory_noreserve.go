//go:build linux

package exact

import "syscall"

// mapNoReserve makes the system not count the reserved range as used memory.
const mapNoReserve = syscall.MAP_NORESERVE
