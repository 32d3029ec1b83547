// Command bench reads the output of the benchmarks in this directory and holds
// each row of rows.txt against its limit.
//
//	make bench
//	make bench BENCH='Put|Get' ROUNDS=15
//	make bench-compare OLD=old.txt NEW=new.txt
//
// The benchmarks are ordinary ones of Go, in the _test.go files: what the store
// does and the yardstick beside it are sub-benchmarks of one benchmark, so that
// benchstat -col /side compares them too. make bench runs all of them in rounds,
// each in a new process. A row has a ratio for each round; this program says what
// their median is, with a confidence interval, and whether that is within the
// limit. docs/performance.md explains the rows and holds the results.
package main
