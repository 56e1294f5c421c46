package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"alexa-oidc-bridge/config"
)

func TestLoadClientSecret(t *testing.T) {
	const secret, other = "Zq3vT8kX1mN5bR7cY2wL9pD4sF6hJ0gK", "hV6nB1tG8yU3jM5kE9oQ2rS7dP4aC0xI"
	t.Setenv("PIZZA_ID", "pizza")
	t.Setenv("PIZZA_SECRET", secret)
	tests := []struct {
		skill string
		want  config.ClientSecret
	}{
		{`{client_id: pizza, client_secret: "${PIZZA_SECRET}"}`,
			config.ClientSecret{Text: secret, Source: "${PIZZA_SECRET}"}},
		{`{client_id: "${PIZZA_ID}", client_secret: ["${PIZZA_SECRET}", ` + other + `]}`,
			config.ClientSecret{Text: secret, Source: "${PIZZA_SECRET}"}},
		{`{client_id: pizza, client_secret: [` + other + `, "${PIZZA_SECRET}"]}`, config.ClientSecret{Text: other}},
		{`{client_id: pizza, client_secret: "x${PIZZA_SECRET}"}`, config.ClientSecret{Text: "x" + secret}},
		{`{client_id: pizza, client_secret: "$${PIZZA_SECRET}"}`, config.ClientSecret{Text: "${PIZZA_SECRET}"}},
		{`{client_id: pizza}`, config.ClientSecret{}},
		{`{client_id: lights, client_secret: "${PIZZA_SECRET}"}`, config.ClientSecret{}},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "config.yaml")
		text := "providers: nonsense\nskills: [{client_id: first, client_secret: x}, " + tt.skill + "]\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := config.LoadClientSecret(path, "pizza"); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v, want %+v", tt.skill, got, err, tt.want)
		}
	}
}
