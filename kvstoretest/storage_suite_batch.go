package kvstoretest

import (
	"bytes"
	"context"
	"fmt"

	"github.com/kvsim/kvsim/kvstore"
)

func (p *storageProbe) apply(b kvstore.BatchStorage, items ...kvstore.KeyValue) {
	p.must(fmt.Sprintf("ApplyBatch(%d items)", len(items)), b.ApplyBatch(context.Background(), items))
}

func batchOrder(p *storageProbe, b kvstore.BatchStorage) {
	p.setAll("old", "gone")
	p.apply(b,
		putItem("a", "1"), putItem("b", "1"), putItem("a", "2"), // overwritten
		putItem("c", "1"), removeItem("c"), // set, then deleted
		removeItem("gone"), putItem("gone", "back"), // deleted, then set
		putItem("d", "1"), removeItem("d"), putItem("d", "2"), putItem("d", "3"),
	)
	p.wantMissing("c")
	p.wantContent("a", "2", "b", "1", "d", "3", "gone", "back", "old", valueOf("old"))
}

func batchNil(p *storageProbe, b kvstore.BatchStorage) {
	p.setAll("a", "a\x00", "ab", "empty", "kept")
	p.apply(b, removeItem("a"), kvstore.KeyValue{Key: []byte("empty"), Value: []byte{}}, removeItem("never there"))
	p.wantMissing("a")
	p.wantContent("a\x00", valueOf("a\x00"), "ab", valueOf("ab"), "empty", "", "kept", valueOf("kept"))
}

func batchOfNothing(p *storageProbe, b kvstore.BatchStorage) {
	p.apply(b)
	p.wantContent()
	p.set("k", "1")
	p.apply(b)
	p.must("ApplyBatch(empty)", b.ApplyBatch(context.Background(), []kvstore.KeyValue{}))
	p.wantContent("k", "1")
}

func batchOfMany(p *storageProbe, b kvstore.BatchStorage) {
	const size, step = 5000, 1237 // coprime
	items := make([]kvstore.KeyValue, size)
	var want []string
	for i := range items {
		items[i] = putItem(fmt.Sprintf("%05d", i*step%size), fmt.Sprint(i*step%size))
		want = append(want, fmt.Sprintf("%05d", i), fmt.Sprint(i))
	}
	p.apply(b, items...)
	p.wantRange(kvstore.KeyConstraint{}, 0, want)
	for i := range items[:size-2] {
		items[i] = removeItem(fmt.Sprintf("%05d", i+1))
	}
	p.apply(b, items[:size-2]...)
	p.wantContent(want[0], want[1], want[2*size-2], want[2*size-1])
}

func batchRepeatable(p *storageProbe, b kvstore.BatchStorage) {
	p.setAll("x", "y")
	for range 3 {
		p.apply(b, putItem("a", "1"), removeItem("x"), putItem("b", "1"), removeItem("b"), putItem("a", "2"), putItem("y", "z"))
		p.wantContent("a", "2", "y", "z")
	}
}

func batchItemsStay(p *storageProbe, b kvstore.BatchStorage) {
	p.setAll("a", "c")
	make3 := func() []kvstore.KeyValue {
		return []kvstore.KeyValue{putItem("c", "1"), putItem("b", "2"), removeItem("a")}
	}
	items, want := make3(), make3()
	p.apply(b, items...)
	for i := range items {
		if !bytes.Equal(items[i].Key, want[i].Key) || !bytes.Equal(items[i].Value, want[i].Value) ||
			(items[i].Value == nil) != (want[i].Value == nil) {
			p.errorf("ApplyBatch changed item %d to %q = %q, want %q = %q",
				i, items[i].Key, items[i].Value, want[i].Key, want[i].Value)
		}
	}
}

func batchEnded(p *storageProbe, b kvstore.BatchStorage) {
	p.set("k", "1")
	for _, ctx := range endedContexts() {
		p.wantEnded(ctx, "ApplyBatch", b.ApplyBatch(ctx, []kvstore.KeyValue{putItem("k", "2"), putItem("new", "1"), removeItem("k")}))
	}
	p.wantContent("k", "1")
}
