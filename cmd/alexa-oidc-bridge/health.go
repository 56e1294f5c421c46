package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/config"
)

func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Check that the server on this machine is running",
		Long: `health requests /healthz from the admin listener of the configuration. It is meant for a container's health
check.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := config.LoadAdminListen(configPath(cmd))
			if err != nil {
				return badConfig(configPath(cmd), err)
			}
			if err := requestHealth(cmd.Context(), address); err != nil {
				return failed(err, "check that serve is running with this configuration")
			}
			return nil
		},
	}
}

func requestHealth(ctx context.Context, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	// Without a proxy: the request stays on this machine.
	client := &http.Client{Transport: &http.Transport{}, Timeout: 3 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("/healthz responded with status %d", response.StatusCode)
	}
	return nil
}
