// Package chunk is the memory that small items share: chunks, which are large enough to
// leave few objects to the garbage collector, and blocks, in which neighbours of a range lie
// side by side.
package chunk
