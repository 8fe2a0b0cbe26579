// SPDX-License-Identifier: GPL-2.0

package main

import (
	"errors"
	"sync"
)

// The pool that GopherShip's log engine lives on, which is where this project's
// name and idea come from: a sync.Pool of pointers to slices.

const (
	magic    = 0x676f706865727368
	smallest = 4096
	largest  = 64 << 10 // nothing above is kept
)

type buffer struct {
	data  []byte
	magic uint64
	owned bool
}

var (
	errForeign = errors.New("not a buffer of this pool")
	errDouble  = errors.New("released before")
)

var pool = sync.Pool{New: func() any {
	return &buffer{data: make([]byte, 0, smallest), magic: magic}
}}

// acquire returns a buffer of length 0 that holds at least n bytes.
func acquire(n int) *buffer {
	b := pool.Get().(*buffer)
	if cap(b.data) < n {
		b.data = make([]byte, 0, n)
	}
	b.owned = true
	return b
}

func release(b *buffer) error {
	if b == nil || b.magic != magic {
		return errForeign
	}
	if !b.owned {
		return errDouble
	}
	b.owned = false
	if cap(b.data) > largest {
		return nil
	}
	b.data = b.data[:0]
	pool.Put(b)
	return nil
}
