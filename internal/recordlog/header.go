package recordlog

import (
	"encoding/binary"
	"hash/crc32"
)

// Places in the header of a record batch, in bytes from its start. The length counts what follows
// it; the checksum covers all from the attributes on, so that leaders can set what is before it.
const (
	AtLength     = 8
	AtCRC        = 17
	AtAttributes = 21 // two bytes; the codec is in the low three bits of the second
	AtLastDelta  = 23
	AtNumRecords = 57
	HeaderBytes  = 61 // a batch before its records

	lengthBytes = AtLength + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Seal sets the length and the checksum of a batch, and returns it.
func Seal(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[AtLength:], uint32(len(raw)-lengthBytes))
	binary.BigEndian.PutUint32(raw[AtCRC:], crc32.Checksum(raw[AtAttributes:], castagnoli))
	return raw
}
