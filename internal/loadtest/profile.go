package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"os"
	"os/exec"
	"time"

	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/config"
)

// bridgeCommand is the command that serves: the program, or where a profile is wanted this program in its place.
func (b *bench) bridgeCommand(config string) (*exec.Cmd, error) {
	if b.options.profile != "" {
		return roleCommand("profiled", config)
	}
	return exec.Command(b.program, "serve", "--config", config), nil
}

// serveProfiled does what the serve command does, and tells profiles on the admin listener, which the program never does.
func serveProfiled(task io.Reader, _ io.Writer) error {
	var path string
	if err := json.NewDecoder(task).Decode(&path); err != nil {
		return err
	}
	loaded, _, err := config.Load(path)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	store, err := sqlstore.Open(context.Background(), sqlstore.Options{Driver: loaded.Storage.Driver, DSN: loaded.Storage.DSN, Create: true})
	if err != nil {
		return err
	}
	bridge, err := server.New(loaded.Server, server.Deps{Store: store, Log: log})
	if err != nil {
		return err
	}
	go bridge.Run(context.Background())
	admin := http.NewServeMux()
	admin.Handle("/", bridge.Admin)
	admin.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	go http.ListenAndServe(loaded.AdminListen, admin)
	log.Info("serving")
	public := &http.Server{Addr: loaded.Listen, Handler: bridge.Public}
	setTimeouts(public)
	return public.ListenAndServe()
}

// takeProfile lets a bridge be asked for a while that does not count, and keeps its profile of that.
func (b *bench) takeProfile(ctx context.Context, at *target, l load) error {
	taken := make(chan error, 1)
	go func() {
		seconds := max(1, int(l.Duration/time.Second)-1)
		taken <- download(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", at.admin, seconds), b.options.profile)
	}()
	if _, err := b.ask(ctx, at, l); err != nil {
		return err
	}
	return <-taken
}

func download(ctx context.Context, url, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: status %d", response.StatusCode)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(file, response.Body)
	return err
}
