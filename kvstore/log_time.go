package kvstore

import "time"

// millisOf returns the timestamp of a record that franz-go decoded, in milliseconds since 1970.
//
// franz-go counts it in nanoseconds, in 64 bits, which overflow for years before 1678 and after
// 2262. What is left of the product with 1,000,000 = 64 * 15,625 still determines milliseconds
// between -2^57 and 2^57, which is four million years: a quotient by an odd number is unique
// modulo a power of two.
func millisOf(decoded time.Time) int64 {
	const inverse = 0x790fb65668c26139 // of 15,625, modulo 2^64
	product := uint64(decoded.UnixNano()) / 64
	return int64(product*inverse<<6) >> 6
}
