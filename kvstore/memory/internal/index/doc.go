// Package index finds an item by its key in about two cache misses, one for a bucket and
// one for the item, where a tree needs about six. It knows no order.
package index
