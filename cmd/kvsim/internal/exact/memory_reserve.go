//go:build unix && !linux

package exact

// mapNoReserve is not needed elsewhere.
const mapNoReserve = 0
