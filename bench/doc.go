// Command bench measures the store against the limits of the log that it stands
// on: each row of its table is the store beside a yardstick that ran in the same
// process, on the same brokers, in turns. docs/performance.md explains the rows
// and holds the results.
//
//	make bench
//	make bench BENCH='-only put,get'
//	make bench-compare OLD=old.json NEW=new.json
//
// The brokers are kfake in a child process over loopback TCP. Where
// KVSIM_KAFKA_BROKERS names real ones (host:port, with commas between them), the
// rows that need brokers are measured there too.
//
// A number by itself says little on a machine that does other things as well, so
// verdicts rest on ratios: of each round the store's number over the yardstick's,
// and of all rounds the median. Rounds swap which of the two goes first.
package main
