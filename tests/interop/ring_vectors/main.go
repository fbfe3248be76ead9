// Prints who owns which key according to groupcache's own consistenthash, for tests to compare with ours.
//
// Run it with Debian's packages golang-go and golang-github-golang-groupcache-dev:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run tests/interop/ring_vectors/main.go > tests/interop/ring_vectors.tsv
//
// A line `peers<TAB>P1<TAB>P2…` names the peers of the lines that follow, sorted; a line `owner<TAB>KEY<TAB>P` an owner.
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strings"

	"github.com/golang/groupcache/consistenthash"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	random := rand.New(rand.NewSource(7))
	for _, peers := range [][]string{
		named(1, func(i int) string { return "http://127.0.0.1:8001" }),
		named(3, func(i int) string { return fmt.Sprintf("http://localhost:%d", 8001+i) }),
		named(10, func(i int) string { return fmt.Sprintf("http://10.0.3.%d:8080", 17+i) }),
		named(37, func(i int) string { return fmt.Sprintf("http://cache-%d.cache.svc:8008", i) }),
		named(200, func(i int) string { return fmt.Sprintf("http://10.1.%d.%d:80", i/16, i%16) }),
		{"http://cache261.local:8080", "http://node-515:8080", "http://[::1]:8080/base"},
	} {
		sort.Strings(peers)
		ring := consistenthash.New(50, nil)
		ring.Add(peers...)
		fmt.Fprintf(out, "peers\t%s\n", strings.Join(peers, "\t"))
		for i := 0; i < 210; i++ {
			key := key(i, random)
			fmt.Fprintf(out, "owner\t%s\t%s\n", key, ring.Get(key))
		}
	}
}

func named(n int, name func(int) string) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = name(i)
	}
	return names
}

// key makes keys of many shapes, without tabs and line ends, which part the fields here.
func key(i int, random *rand.Rand) string {
	switch i % 5 {
	case 0:
		return fmt.Sprintf("user:%d", random.Intn(1000000))
	case 1:
		return fmt.Sprintf("%016x", random.Uint64())
	case 2:
		return strings.Repeat("k", random.Intn(300))
	case 3:
		const odd = " +/%?#&=;:@$.~é你😀"
		runes := []rune(odd)
		var text strings.Builder
		for n := random.Intn(12); n >= 0; n-- {
			text.WriteRune(runes[random.Intn(len(runes))])
		}
		return text.String()
	default:
		return fmt.Sprintf("/images/%d/%d.png?size=%d", random.Intn(100), random.Intn(10000), random.Intn(3))
	}
}
