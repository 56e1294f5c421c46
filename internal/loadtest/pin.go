package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"alexa-oidc-bridge/internal/postgrestest"
)

// pinSelf keeps all threads of this process on some cores. New ones inherit it from those that start them.
func pinSelf(cores []int) error { return pinThreadsOf(os.Getpid(), cores) }

// pinPostgreSQL keeps the server's processes on some cores. Those that it starts for new connections inherit it.
func pinPostgreSQL(server *postgrestest.Server, cores []int) error {
	pid, err := postmasterOf(server)
	if err != nil {
		return err
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		return err
	}
	if err := pinThreadsOf(pid, cores); err != nil {
		return err
	}
	for _, text := range strings.Fields(string(children)) {
		child, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		if err := pinThreadsOf(child, cores); err != nil && !os.IsNotExist(err) { // it may have ended meanwhile
			return err
		}
	}
	return nil
}

// postmasterOf reads the lock file that PostgreSQL keeps beside its socket: its first line is the process.
func postmasterOf(server *postgrestest.Server) (pid int, err error) {
	_, port, err := net.SplitHostPort(server.Address)
	if err != nil {
		return 0, err
	}
	lock, err := os.ReadFile(filepath.Join(server.SocketFolder, ".s.PGSQL."+port+".lock"))
	if err != nil {
		return 0, err
	}
	first, _, _ := bytes.Cut(lock, []byte("\n"))
	return strconv.Atoi(string(first))
}
