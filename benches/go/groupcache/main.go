// golang/groupcache as a contender of the benchmark `peers`: a server, or a client of one.
//
//	groupcache serve     prints its URL, and serves until its standard input ends
//	groupcache ask URL   obeys the commands that benches/src/peers/client.rs describes
//
// The client keeps no copies (its cache has no bytes), and may keep as many connections as it has threads: with Go's default of
// two it would open a new one for most of its requests.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang/groupcache"
)

const (
	groupName = "bench"
	dataBytes = 32 << 20
	maxKeys   = 256
)

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve()
	case len(os.Args) == 3 && os.Args[1] == "ask":
		ask(os.Args[2])
	default:
		log.Fatal("usage: groupcache serve | groupcache ask URL")
	}
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	self := "http://" + listener.Addr().String()
	// This adds the pool to the default mux.
	pool := groupcache.NewHTTPPool(self)
	pool.Set(self)
	groupcache.NewGroup(groupName, 1<<30, groupcache.GetterFunc(
		func(_ context.Context, key string, dest groupcache.Sink) error {
			length, err := strconv.Atoi(strings.SplitN(key, ":", 2)[0])
			if err != nil {
				return err
			}
			value := make([]byte, length)
			for i := range value {
				value[i] = filling(key)
			}
			return dest.SetBytes(value)
		}))
	go func() { log.Fatal(http.Serve(listener, nil)) }()
	fmt.Println(self)
	io.Copy(io.Discard, os.Stdin)
}

func ask(url string) {
	pool := groupcache.NewHTTPPool("http://nobody.invalid")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConns = 1024
	transport.MaxIdleConnsPerHost = 1024
	pool.Transport = func(context.Context) http.RoundTripper { return transport }
	pool.Set(url)
	group := groupcache.NewGroup(groupName, 0, groupcache.GetterFunc(
		func(_ context.Context, key string, _ groupcache.Sink) error {
			return fmt.Errorf("%q did not come from the peer", key)
		}))

	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := obey(group, strings.Fields(lines.Text()))
		if err != nil {
			fmt.Println("error", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok", answer)
		}
	}
}

func obey(group *groupcache.Group, words []string) (string, error) {
	var numbers []int
	for _, word := range words[1:] {
		number, err := strconv.Atoi(word)
		if err != nil {
			return "", err
		}
		numbers = append(numbers, number)
	}
	if len(numbers) < 3 || numbers[2] != 1 {
		return "", errors.New("groupcache has no batches")
	}
	threads, valueBytes := numbers[0], numbers[1]
	switch {
	case words[0] == "prime" && len(numbers) == 3:
		return "", prime(group, threads, valueBytes)
	case words[0] == "run" && len(numbers) == 4:
		return run(group, threads, valueBytes, time.Duration(numbers[3])*time.Millisecond)
	}
	return "", fmt.Errorf("there is no command %q", words)
}

func prime(group *groupcache.Group, threads, valueBytes int) error {
	outcomes := make(chan error, threads)
	for thread := 0; thread < threads; thread++ {
		go func(thread int) {
			var err error
			for _, key := range keysOf(thread, threads, valueBytes) {
				if err == nil {
					err = get(group, key, valueBytes)
				}
			}
			outcomes <- err
		}(thread)
	}
	var failed error
	for thread := 0; thread < threads; thread++ {
		if err := <-outcomes; err != nil {
			failed = err
		}
	}
	return failed
}

func run(group *groupcache.Group, threads, valueBytes int, length time.Duration) (string, error) {
	var warm, done sync.WaitGroup
	var start sync.Once
	var begun time.Time
	warm.Add(threads)
	done.Add(threads)
	calls := make([][]int64, threads)
	errs := make([]error, threads)
	for thread := 0; thread < threads; thread++ {
		go func(thread int) {
			defer done.Done()
			keys := keysOf(thread, threads, valueBytes)
			err := get(group, keys[0], valueBytes)
			warm.Done()
			warm.Wait()
			start.Do(func() { begun = time.Now() })
			last := time.Since(begun)
			for n := 1; err == nil; n++ {
				err = get(group, keys[n%len(keys)], valueBytes)
				now := time.Since(begun)
				if now > length {
					break
				}
				calls[thread] = append(calls[thread], int64(now-last))
				last = now
			}
			errs[thread] = err
		}(thread)
	}
	done.Wait()
	var all []int64
	for thread := range calls {
		if errs[thread] != nil {
			return "", errs[thread]
		}
		all = append(all, calls[thread]...)
	}
	if len(all) == 0 {
		return "", errors.New("no call ended in time")
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	percentile := func(percent int) int64 { return all[(len(all)-1)*percent/100] }
	return fmt.Sprintf("%d %d %d %d", len(all), int64(length), percentile(50), percentile(99)), nil
}

func get(group *groupcache.Group, key string, valueBytes int) error {
	var value groupcache.ByteView
	if err := group.Get(context.Background(), key, groupcache.ByteViewSink(&value)); err != nil {
		return err
	}
	byteOf := filling(key)
	if value.Len() != valueBytes || value.At(0) != byteOf || value.At(valueBytes-1) != byteOf {
		return fmt.Errorf("the value of %q is wrong: %d bytes", key, value.Len())
	}
	return nil
}

// keysOf and filling do as benches/src/peers/scenario.rs does.
func keysOf(thread, threads, valueBytes int) []string {
	count := dataBytes / (valueBytes * threads)
	if count > maxKeys {
		count = maxKeys
	}
	if count < 1 {
		count = 1
	}
	keys := make([]string, count)
	for n := range keys {
		keys[n] = fmt.Sprintf("%d:%d:%d", valueBytes, thread, n)
	}
	return keys
}

func filling(key string) byte {
	var sum byte
	for i := 0; i < len(key); i++ {
		sum += key[i]
	}
	return sum
}
