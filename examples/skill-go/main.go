// Command skill-go is an Alexa skill that greets whoever speaks, by name: as a web server, or on AWS Lambda.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/lookup"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	settings := map[string]string{}
	for _, name := range []string{"LOOKUP_URL", "BACKEND_ID", "BACKEND_SECRET", "SKILL_ID"} {
		if settings[name] = os.Getenv(name); settings[name] == "" {
			return fmt.Errorf("the environment variable %s is missing; set it, see README.md", name)
		}
	}
	s := &skill{id: settings["SKILL_ID"], client: &lookup.Client{
		Endpoint: settings["LOOKUP_URL"], ID: settings["BACKEND_ID"], Secret: settings["BACKEND_SECRET"],
	}}
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" { // set by Lambda
		lambda.Start(s.respond)
		return nil
	}
	server := &http.Server{
		Addr: "127.0.0.1:8090", Handler: s.handler(&alexa.Verifier{SkillIDs: []string{s.id}}),
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
	}
	log.Printf("listening on http://%s", server.Addr)
	return server.ListenAndServe()
}
