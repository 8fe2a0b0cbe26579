// SPDX-License-Identifier: GPL-2.0

// A pool of byte buffers as a Go program keeps one: a sync.Pool of pointers to
// slices, with a magic number and an ownership flag that catch foreign slices
// and double releases. Nothing above 64 KiB is kept.
//
// It does what it is told, a line at a time:
//
//	in:   pair SIZE THREADS OPERATIONS
//	out:  nanoseconds per operation, as in 3.141; or "failed"
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

const (
	magic   = 0x676f7068657273
	largest = 64 << 10
	warmUp  = 4096
)

// The slice comes first: its address is that of the buffer.
type buffer struct {
	data  []byte
	magic uint64
	owned bool
}

var pool = sync.Pool{New: func() any {
	return &buffer{data: make([]byte, 0, largest), magic: magic}
}}

func acquire(size int) *[]byte {
	b := pool.Get().(*buffer)
	if cap(b.data) < size {
		b.data = make([]byte, 0, size)
	}
	b.owned = true
	return &b.data
}

func release(data *[]byte) bool {
	if data == nil {
		return false
	}
	b := (*buffer)(unsafe.Pointer(data))
	if b.magic != magic || !b.owned {
		return false
	}
	b.owned = false
	b.data = b.data[:0]
	if cap(b.data) <= largest {
		pool.Put(b)
	}
	return true
}

func pair(size, n int) bool {
	for i := 0; i < n; i++ {
		if !release(acquire(size)) {
			return false
		}
	}
	return true
}

// On so many threads at once; nanoseconds per operation, or -1.
func run(size, threads, n int) float64 {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ok := make([]bool, threads)
	ready.Add(threads)
	done.Add(threads)
	for i := 0; i < threads; i++ {
		go func(i int) {
			runtime.LockOSThread()
			ok[i] = pair(size, warmUp)
			ready.Done()
			<-start
			ok[i] = ok[i] && pair(size, n)
			done.Done()
		}(i)
	}
	ready.Wait()
	begin := time.Now()
	close(start)
	done.Wait()
	ns := float64(time.Since(begin).Nanoseconds())
	for _, each := range ok {
		if !each {
			return -1
		}
	}
	return ns / float64(n*threads)
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var size, threads, n int
		result := -1.0
		_, err := fmt.Sscanf(in.Text(), "pair %d %d %d", &size, &threads, &n)
		if err == nil && size > 0 && threads > 0 && n > 0 {
			result = run(size, threads, n)
		}
		if result < 0 {
			fmt.Println("failed")
		} else {
			fmt.Printf("%.4f\n", result)
		}
	}
}
