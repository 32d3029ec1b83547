// This program uses the whole reference API of the store, the way programs
// written for it do. TestProgramForTheReferenceCompiles compiles it against
// this package, with nothing but the import path replaced.
package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"reference.example/kvstore"
)

// mapStorage implements the storage interfaces with a map.
type mapStorage map[string][]byte

func (s mapStorage) Get(_ context.Context, key []byte) ([]byte, error) {
	v, ok := s[string(key)]
	if !ok {
		return nil, kvstore.ErrNotFound
	}
	return v, nil
}

func (s mapStorage) Set(_ context.Context, key []byte, value []byte) error {
	s[string(key)] = value
	return nil
}

func (s mapStorage) Delete(_ context.Context, key []byte) error {
	delete(s, string(key))
	return nil
}

func (s mapStorage) Range(_ context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.KeyValue, error] {
	return func(yield func(kvstore.KeyValue, error) bool) {
		n := 0
		for k, v := range s {
			if k < string(c.Start) || c.End != nil && k >= string(c.End) {
				continue
			}
			if n++; opts.Limit > 0 && n > opts.Limit || !yield(kvstore.KeyValue{Key: []byte(k), Value: v}, nil) {
				return
			}
		}
	}
}

func (s mapStorage) ApplyBatch(ctx context.Context, items []kvstore.KeyValue) error {
	for _, item := range items {
		if item.Value == nil {
			_ = s.Delete(ctx, item.Key)
		} else {
			_ = s.Set(ctx, item.Key, item.Value)
		}
	}
	return nil
}

type city struct{ Name string }

// upper is a serde of the program's own.
type upper struct{}

func (upper) Serialize(v string) ([]byte, error)   { return []byte(v), nil }
func (upper) Deserialize(b []byte) (string, error) { return string(b), nil }

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var storage kvstore.BatchStorage = mapStorage{}
	cities := kvstore.JSON[city]()
	opts := []kvstore.ClientOption{
		kvstore.WithBrokers("localhost:9092", "localhost:9093"),
		kvstore.WithKafkaOptions(kgo.ClientID("program"), kgo.WithLogger(nil)),
		kvstore.WithLogger(slog.Default()),
		kvstore.WithReplicationFactor(3),
		kvstore.WithOnSetHook(func(key, value []byte) { fmt.Println(string(key), len(value)) }),
		kvstore.WithOnSetHook(kvstore.WrapOnSet(cities, func(key []byte, value city) { fmt.Println(string(key), value.Name) })),
		kvstore.WithOnDeleteHook(kvstore.WrapOnDelete[city](func(key []byte) { fmt.Println(string(key)) })),
	}
	client, err := kvstore.NewClient(ctx, "cities", kvstore.Storage(storage), opts...)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if err := useBytes(ctx, client); err != nil {
		return err
	}
	if err := useTyped(ctx, client, cities); err != nil {
		return err
	}
	return useSerdes(ctx, client)
}

func useBytes(ctx context.Context, client *kvstore.Client) error {
	if err := client.Put(ctx, []byte("a"), []byte("1")); errors.Is(err, kvstore.ErrClientClosed) {
		return err
	}
	value, err := client.Get(ctx, []byte("a"))
	if errors.Is(err, kvstore.ErrNotFound) {
		return fmt.Errorf("%q is gone: %w", value, err)
	}
	if err := client.Delete(ctx, []byte("a")); err != nil {
		return err
	}
	var batch *kvstore.Batch = client.Batch()
	if err := batch.Put([]byte("b"), nil).Delete([]byte("c")).Execute(ctx); err != nil {
		return err
	}
	constraint := kvstore.KeyConstraint{Start: []byte("a"), End: []byte("z")}
	var pairs iter.Seq2[kvstore.KeyValue, error] = client.Range(ctx, constraint, kvstore.QueryOptions{Limit: 10})
	for kv, err := range pairs {
		if err != nil {
			return err
		}
		fmt.Println(string(kv.Key), string(kv.Value))
	}
	return nil
}

func useTyped(ctx context.Context, client *kvstore.Client, serde kvstore.Serde[city]) error {
	var cities *kvstore.ResourceClient[city] = kvstore.NewResourceClient(client, serde)
	if err := cities.Put(ctx, []byte("bn"), city{Name: "Bonn"}); err != nil {
		return err
	}
	bonn, err := cities.Get(ctx, []byte("bn"))
	if err != nil {
		return err
	}
	if err := cities.Delete(ctx, []byte("bn")); err != nil {
		return err
	}
	var batch *kvstore.TypedBatch[city] = cities.Batch()
	if err := batch.Put([]byte("bn"), bonn).Delete([]byte("ac")).Execute(ctx); err != nil {
		return err
	}
	for kv, err := range cities.Range(ctx, kvstore.Prefix("b"), kvstore.QueryOptions{}) {
		if err != nil {
			return err
		}
		var typed kvstore.TypedKV[city] = kv
		fmt.Println(string(typed.Key), typed.Value.Name)
	}
	return cities.Raw().Close()
}

func useSerdes(ctx context.Context, client *kvstore.Client) error {
	registry, err := sr.NewClient(sr.URLs("http://localhost:8081"))
	if err != nil {
		return err
	}
	factory := func() *wrapperspb.StringValue { return &wrapperspb.StringValue{} }
	options := []kvstore.SchemaRegistryOption{
		kvstore.WithMessageName("StringValue"),
		kvstore.WithSchemaReferences([]sr.SchemaReference{{Name: "common.proto", Subject: "common", Version: 1}}),
	}
	const schema = `syntax = "proto3"; package google.protobuf; message StringValue { string value = 1; }`
	var option kvstore.ProtoOption = kvstore.WithSchemaRegistry(registry, "texts-value", schema, options...)
	serde, err := kvstore.Proto(factory, option)
	if err != nil {
		return err
	}
	if serde, err = kvstore.Proto(factory); err != nil {
		return err
	}
	if serde, err = kvstore.NewSchemaRegistrySerde(registry, "texts-value", schema, factory, options...); err != nil {
		return err
	}
	texts := kvstore.NewResourceClient(client, serde)
	if _, ok := serde.(*kvstore.ProtoSerde[*wrapperspb.StringValue]); ok {
		return texts.Put(ctx, []byte("t"), wrapperspb.String("text"))
	}
	var asJSON kvstore.Serde[city] = &kvstore.JSONSerde[city]{}
	if _, err := asJSON.Serialize(city{}); err != nil {
		return err
	}
	return kvstore.NewResourceClient(client, kvstore.Serde[string](upper{})).Put(ctx, []byte("u"), "U")
}
