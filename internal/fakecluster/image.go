package fakecluster

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
)

// An image is the content of a data directory that kfake starts from. kfake keeps its log in
// memory unless it is started with a directory, and it has no way to cut the end off a log.
// To lose a tail, a new kfake is therefore started on an image without that tail. The format
// is kfake's version 1. A test compares it with what kfake itself writes.

const imageVersion = 1

type image struct {
	Topics []imageTopic
	IDs    []int64 // producer ids that were given out, including those without a batch
}

type imageTopic struct {
	Name       string
	ID         [16]byte
	Partitions int
	Replicas   int
	Configs    map[string]string
	Logs       [][]Batch // by partition
	Ends       []int64   // the end offsets, by partition
	Producers  []map[int64]*producer
}

// write writes the image to an empty directory.
func (im *image) write(dir string) error {
	type jsonTopic struct {
		Name       string            `json:"name"`
		ID         string            `json:"id"`
		Partitions int               `json:"partitions"`
		Replicas   int               `json:"replicas"`
		Configs    map[string]string `json:"configs,omitempty"`
	}
	var topics []jsonTopic
	for _, t := range im.Topics {
		topics = append(topics, jsonTopic{t.Name, base64.StdEncoding.EncodeToString(t.ID[:]), t.Partitions, t.Replicas, t.Configs})
		for n, log := range t.Logs {
			if len(log) == 0 && t.Ends[n] > 0 {
				// kfake takes the end of the log from its last batch.
				var err error
				if log, err = parseBatches(markerBatch(t.Ends[n] - 1)); err != nil {
					return err
				}
			}
			if err := writeLog(filepath.Join(dir, "partitions", fmt.Sprintf("%s-%d", url.PathEscape(t.Name), n)), log); err != nil {
				return err
			}
		}
	}
	if err := im.writeProducers(dir); err != nil {
		return err
	}
	if err := writeJSON(dir, "topics.json", map[string]any{"version": imageVersion, "topics": topics}); err != nil {
		return err
	}
	return writeJSON(dir, "meta.json", map[string]any{"version": imageVersion, "cluster_id": "kfake"})
}

// writeLog writes one segment and its index.
func writeLog(dir string, log []Batch) error {
	if len(log) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var data, index []byte
	open := openTransactions(log)
	for _, b := range log {
		data = append(data, b.Raw...)
		index = append(index, indexEntry(b.LeaderEpoch, b.MaxTimestamp.UnixMilli(), open[b.FirstOffset])...)
	}
	base := filepath.Join(dir, fmt.Sprint(log[0].FirstOffset))
	if err := os.WriteFile(base+".dat", data, 0o644); err != nil {
		return err
	}
	return os.WriteFile(base+".idx", index, 0o644)
}

// openTransactions returns the first offsets of the transactional batches. kfake's index
// marks all of them, even if their transaction has ended.
func openTransactions(log []Batch) map[int64]bool {
	out := make(map[int64]bool)
	for _, b := range log {
		if b.Transactional && !b.Control {
			out[b.FirstOffset] = true
		}
	}
	return out
}

func indexEntry(epoch int32, timestamp int64, inTxn bool) []byte {
	e := make([]byte, 15)
	e[0] = imageVersion
	binary.LittleEndian.PutUint32(e[2:], uint32(epoch))
	binary.LittleEndian.PutUint64(e[6:], uint64(timestamp))
	if inTxn {
		e[14] = 1
	}
	e[1] = byte(crc32.Checksum(e[2:], castagnoli))
	return e
}

// writeProducers writes the producer ids and the last batches of each.
func (im *image) writeProducers(dir string) error {
	type entry struct {
		FirstSeq int32 `json:"first_seq"`
		NextSeq  int32 `json:"next_seq"`
		Offset   int64 `json:"offset"`
	}
	type window struct {
		PID     int64              `json:"pid"`
		Topic   string             `json:"topic"`
		Part    int32              `json:"partition"`
		Entries [keptBatches]entry `json:"entries"`
		Count   uint8              `json:"count"`
		At      uint8              `json:"at"`
		Epoch   int16              `json:"epoch"`
		Seen    bool               `json:"seen"`
		NextSeq int32              `json:"next_seq"`
	}
	var windows []window
	epochs := make(map[int64]int16)
	for _, t := range im.Topics {
		for n, producers := range t.Producers {
			for id, p := range producers {
				w := window{PID: id, Topic: t.Name, Part: int32(n), Epoch: p.epoch, Seen: true}
				for i, s := range p.last {
					w.Entries[i] = entry{s.first, s.next, s.offset}
					w.NextSeq = s.next
				}
				w.Count = uint8(len(p.last))
				w.At = w.Count % keptBatches
				windows = append(windows, w)
				epochs[id] = max(epochs[id], p.epoch)
			}
		}
	}
	slices.SortFunc(windows, func(a, b window) int { return cmp.Compare(a.PID, b.PID) })
	for _, id := range im.IDs {
		if _, ok := epochs[id]; !ok {
			epochs[id] = 0
		}
	}
	var log []byte
	for _, id := range slices.Sorted(maps.Keys(epochs)) {
		line, err := json.Marshal(map[string]any{"type": "init", "pid": id, "epoch": epochs[id]})
		if err != nil {
			return err
		}
		log = append(log, logEntry(line)...)
	}
	if err := os.WriteFile(filepath.Join(dir, "pids.log"), log, 0o644); err != nil {
		return err
	}
	return writeJSON(dir, "seq_windows.json", map[string]any{"version": imageVersion, "windows": windows})
}

// logEntry encodes an entry of a log: length, checksum, version, data, in little endian.
func logEntry(data []byte) []byte {
	e := make([]byte, 10, 10+len(data))
	binary.LittleEndian.PutUint32(e, uint32(2+len(data)))
	binary.LittleEndian.PutUint16(e[8:], imageVersion)
	e = append(e, data...)
	binary.LittleEndian.PutUint32(e[4:], crc32.Checksum(e[8:], castagnoli))
	return e
}

func writeJSON(dir, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), b, 0o644)
}
