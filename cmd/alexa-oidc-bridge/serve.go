package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/config"
)

// stopWithin is how long requests that are under way may take to finish. With what comes after, serve ends within 8 s.
const stopWithin = 5 * time.Second

func serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve Alexa, browsers and skill backends",
		Long: `serve opens the public and the admin listener, makes the database file or the tables when there are none, and brings
older ones up to date; several may do so at once. It ends within 8 seconds of SIGTERM and finishes what it began.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, warnings, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			log := newLogger(cmd.ErrOrStderr(), loaded.Log)
			for _, warning := range warnings {
				log.Warn("unwise configuration", "path", warning.Path, "why", warning.Text)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return serve(ctx, loaded, log)
		},
	}
}

func newLogger(w io.Writer, log config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: log.Level}
	if log.JSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// collectAt is how much the heap may grow, in percent, before it is collected. What lookups are answered from is not in the
// heap, so it has a few megabytes, which Go would go through dozens of times a second under load.
const collectAt = 400

// serve runs until the context ends or a listener fails.
func serve(ctx context.Context, loaded *config.Config, log *slog.Logger) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	store, err := sqlstore.Open(ctx, sqlstore.Options{Driver: loaded.Storage.Driver, DSN: loaded.Storage.DSN, Create: true})
	if err != nil {
		return failed(err, storageCure(loaded.Storage.Driver))
	}
	bridge, err := server.New(loaded.Server, server.Deps{Store: store, Log: log})
	if err != nil {
		return errors.Join(failed(err, serverCure(err)), store.Close())
	}
	listeners, err := listen(ctx, loaded)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	if loaded.Storage.Driver == sqlstore.SQLite {
		warnReadable(log, loaded.Storage.DSN)
	}
	announce(log, loaded, listeners)
	err = serveUntil(ctx, bridge, listeners, log)
	err = errors.Join(err, closeStore(store))
	log.Info("stopped")
	return err
}

// closeWithin is how long the database may take to be closed.
const closeWithin = 1500 * time.Millisecond

// closeStore does not wait for a database that hangs: what was answered is in it, and what was not may be lost.
func closeStore(store *sqlstore.Store) error {
	closed := make(chan error, 1)
	go func() { closed <- store.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(closeWithin):
		return failed(errors.New("the database could not be closed in time"), "nothing that was answered is lost; see whether the database hangs")
	}
}

func storageCure(driver string) string {
	if driver == sqlstore.PostgreSQL {
		return "check storage.dsn, and that the database runs and can be reached from here"
	}
	return "check storage.dsn, and that its folder exists and can be written"
}

func serverCure(err error) string {
	if errors.Is(err, server.ErrMemory) {
		return "lower lookup.memory"
	}
	return "mend the page in templates_dir"
}

type listeners struct {
	public, admin net.Listener
}

func listen(ctx context.Context, loaded *config.Config) (listeners, error) {
	public, err := new(net.ListenConfig).Listen(ctx, "tcp", loaded.Listen)
	if err != nil {
		return listeners{}, failed(err, "change listen, or stop what has this port")
	}
	admin, err := new(net.ListenConfig).Listen(ctx, "tcp", loaded.AdminListen)
	if err != nil {
		public.Close()
		return listeners{}, failed(err, "change admin_listen, or stop what has this port")
	}
	return listeners{public, admin}, nil
}

// warnReadable warns of a database that others on this machine can read, as one that was copied or restored may be.
func warnReadable(log *slog.Logger, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn("others on this machine can reach the database, which holds personal data", "path", path, "mode", info.Mode().Perm().String())
	}
}

// announce logs what an operator must enter elsewhere.
func announce(log *slog.Logger, loaded *config.Config, on listeners) {
	log.Info("serving", "public_url", loaded.Server.PublicURL,
		"listen", on.public.Addr().String(), "admin_listen", on.admin.Addr().String())
	for _, provider := range loaded.Server.Providers {
		log.Info("redirect URI to be registered at the provider", "provider", provider.ID,
			"redirect_uri", server.CallbackURI(loaded.Server.PublicURL, provider.ID))
	}
}

// serveUntil serves both listeners. When it ends, requests have been finished and the background has stopped.
func serveUntil(ctx context.Context, bridge *server.Server, on listeners, log *slog.Logger) error {
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var group sync.WaitGroup
	group.Go(func() { bridge.Run(background) })

	public, admin := newHTTPServer(bridge.Public, log), newHTTPServer(bridge.Admin, log)
	ended := make(chan error, 2)
	go func() { ended <- public.Serve(on.public) }()
	go func() { ended <- admin.Serve(on.admin) }()

	var failure error
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err := <-ended:
		failure = failed(fmt.Errorf("a listener ended: %w", err), "see the log")
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := public.Shutdown(deadline); err != nil {
		log.Warn("requests were cut off", "error", err)
		public.Close()
	}
	stopBackground()
	group.Wait()
	admin.Close()
	return failure
}

// newHTTPServer bounds how long a client may take and how much it may send. The largest request that is well meant brings
// two cookies and a state; the longest answer waits for a provider three times.
func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
