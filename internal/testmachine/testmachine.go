// Package testmachine is for tests that need something of the machine: a tool, or a free port.
package testmachine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
)

// Need ends the test if the machine does not meet a requirement. The test is skipped, or fails with
// BRIDGE_TEST_STRICT=1.
func Need(t testing.TB, met bool, reason string) {
	t.Helper()
	switch {
	case met:
	case os.Getenv("BRIDGE_TEST_STRICT") == "1":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

// FreeAddresses is [FindAddresses] for a test, which ends if there are none.
func FreeAddresses(t testing.TB, n int) []string {
	t.Helper()
	addresses, err := FindAddresses(n)
	if err != nil {
		t.Fatal(err)
	}
	return addresses
}

// FindAddresses returns loopback addresses below the ports of outgoing connections (from 32768 on Linux), one of which
// could otherwise take the port before a server listens on it.
func FindAddresses(n int) (addresses []string, err error) {
	for range 100 * n {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(10000)))
		if err != nil {
			continue
		}
		defer listener.Close() // at the end, so that no address is found twice
		if addresses = append(addresses, listener.Addr().String()); len(addresses) == n {
			return addresses, nil
		}
	}
	return nil, errors.New("no free ports")
}
