// Prints what the forks of groupcache make of keys and values, for tests to compare with ours: who owns which key, and the
// bytes that go over the wire. All of it is made by the forks' own code.
//
// GOPATH has to hold them and what they import, github.com/mailgun/groupcache/v2 among them:
//
//	GO111MODULE=off GOPATH=... go run tests/interop/fork_vectors/main.go > tests/interop/fork_vectors.tsv
//
// Fields are parted by tabs; bytes are in hexadecimal.
//
//	key KEY                       one of the keys
//	peers FORK PEER…              the peers of the line that follows, by their names on the ring
//	owners N…                     for each key the number of the peer that owns it
//	get_response FORK VALUE EXPIRE BYTES
//	set_request FORK GROUP KEY VALUE EXPIRE BYTES
//	remove_keys GROUP TEXT KEY…   the body that removes these keys
//	expires NANOSECONDS TEXT      the header for a moment of Unix time
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"time"

	oldproto "github.com/golang/protobuf/proto"
	"github.com/groupcache/groupcache-go/v3/transport/pb"
	"github.com/groupcache/groupcache-go/v3/transport/peer"
	mailgunring "github.com/mailgun/groupcache/v2/consistenthash"
	"github.com/mailgun/groupcache/v2/groupcachepb"
	"github.com/vimeo/galaxycache"
	galaxyring "github.com/vimeo/galaxycache/consistenthash"
	galaxyhttp "github.com/vimeo/galaxycache/http"
	"google.golang.org/protobuf/proto"
)

var out = bufio.NewWriter(os.Stdout)

func main() {
	defer out.Flush()
	fmt.Fprintln(out, "# Made by fork_vectors/main.go with Go 1.26.6 from mailgun/groupcache v2.6.0, groupcache/groupcache-go v3.5.0 and\n"+
		"# vimeo/galaxycache v1.4.1, their sources as tagged and unchanged. The head of that program tells what the lines are.")
	rings()
	bodies()
	expires()
}

func rings() {
	random := rand.New(rand.NewSource(7))
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = key(i, random)
		print("key", keys[i])
	}
	for _, urls := range [][]string{
		named(1, func(i int) string { return "http://127.0.0.1:8001" }),
		named(3, func(i int) string { return fmt.Sprintf("http://localhost:%d", 8001+i) }),
		named(10, func(i int) string { return fmt.Sprintf("http://10.0.3.%d:8080", 17+i) }),
		named(37, func(i int) string { return fmt.Sprintf("http://cache-%d.cache.svc:8008", i) }),
		named(100, func(i int) string { return fmt.Sprintf("http://10.1.%d.%d:80", i/16, i%16) }),
	} {
		mailgun := mailgunring.New(50, nil)
		mailgun.Add(urls...)
		owners("mailgun", urls, keys, mailgun.Get)

		addresses := named(len(urls), func(i int) string { return strings.TrimPrefix(urls[i], "http://") })
		picker := peer.NewPicker(peer.Options{})
		for _, address := range addresses {
			picker.Add(&peer.NoOpClient{Info: peer.Info{Address: address}})
		}
		owners("groupcache-go", addresses, keys, func(key string) string { return picker.Get(key).PeerInfo().Address })

		ids := named(len(urls), func(i int) string { return fmt.Sprintf("cache-%d", i) })
		galaxy := galaxyring.New(50, nil)
		galaxy.Add(ids...)
		owners("galaxycache", ids, keys, galaxy.Get)
	}
}

func owners(fork string, peers, keys []string, owner func(key string) string) {
	print(append([]string{"peers", fork}, peers...)...)
	position := make(map[string]int)
	for i, peer := range peers {
		position[peer] = i
	}
	numbers := []string{"owners"}
	for _, key := range keys {
		numbers = append(numbers, strconv.Itoa(position[owner(key)]))
	}
	print(numbers...)
}

func bodies() {
	for _, value := range []string{"", "630", "\n\x03630", strings.Repeat("x", 300)} {
		for _, expire := range []int64{0, 1, 1700000000123456789} {
			group, key := "scores", "a b+é"
			number := strconv.FormatInt(expire, 10)
			get, err := proto.Marshal(&pb.GetResponse{Value: []byte(value), Expire: &expire})
			print("get_response", "groupcache-go", hexed(value), number, hexed(must(string(get), err)))
			get, err = oldproto.Marshal(&groupcachepb.GetResponse{Value: []byte(value), Expire: &expire})
			print("get_response", "mailgun", hexed(value), number, hexed(must(string(get), err)))
			set, err := proto.Marshal(&pb.SetRequest{Group: &group, Key: &key, Value: []byte(value), Expire: &expire})
			print("set_request", "groupcache-go", hexed(group), hexed(key), hexed(value), number, hexed(must(string(set), err)))
			set, err = oldproto.Marshal(&groupcachepb.SetRequest{Group: &group, Key: &key, Value: []byte(value), Expire: &expire})
			print("set_request", "mailgun", hexed(group), hexed(key), hexed(value), number, hexed(must(string(set), err)))
		}
	}
	for _, keys := range [][]string{nil, {"Tom"}, {"", "a b+é", "\"\\/<&>\t\n\x01", "😀 \u2028"}} {
		group := "scores"
		text, err := json.Marshal(&pb.RemoveKeysRequest{Group: &group, Keys: keys})
		fields := []string{"remove_keys", hexed(group), hexed(must(string(text), err))}
		for _, key := range keys {
			fields = append(fields, hexed(key))
		}
		print(fields...)
	}
}

// expires asks a server of galaxycache for values that end.
func expires() {
	universe := galaxycache.NewUniverse(galaxyhttp.NewHTTPFetchProtocol(nil), "self")
	getter := func(_ context.Context, key string, dest galaxycache.Codec) (galaxycache.BackendGetInfo, error) {
		nanos, err := strconv.ParseInt(key, 10, 64)
		if err != nil {
			return galaxycache.BackendGetInfo{}, err
		}
		return galaxycache.BackendGetInfo{Expiration: time.Unix(0, nanos)}, dest.UnmarshalBinary([]byte("630"))
	}
	universe.NewGalaxyWithBackendInfo("scores", 1<<20, galaxycache.GetterFuncWithInfo(getter))
	mux := http.NewServeMux()
	galaxyhttp.RegisterHTTPHandler(universe, nil, mux)
	for _, nanos := range []string{"4102444800000000000", "4107542399999999999", "9000000000000000001"} {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest("GET", "/_galaxycache/scores/"+nanos, nil))
		print("expires", nanos, answer.Header().Get("Expires"))
	}
}

func print(fields ...string) {
	fmt.Fprintln(out, strings.Join(fields, "\t"))
}

func hexed(text string) string {
	return hex.EncodeToString([]byte(text))
}

func must(text string, err error) string {
	if err != nil {
		panic(err)
	}
	return text
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
	switch i % 4 {
	case 0:
		return fmt.Sprintf("user:%d", random.Intn(1000000))
	case 1:
		return fmt.Sprintf("%016x", random.Uint64())
	case 2:
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
