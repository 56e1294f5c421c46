// Command skill-smarthome is an Alexa smart home skill on AWS Lambda. Each person has a lamp in the kitchen.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"alexa-oidc-bridge/bridge/lookup"
)

func main() {
	client, err := newClient()
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start((&skill{client: client}).respond)
}

func newClient() (*lookup.Client, error) {
	settings := map[string]string{}
	for _, name := range []string{"LOOKUP_URL", "BACKEND_ID", "BACKEND_SECRET"} {
		if settings[name] = os.Getenv(name); settings[name] == "" {
			return nil, fmt.Errorf("the environment variable %s is missing; set it, see README.md", name)
		}
	}
	return &lookup.Client{
		Endpoint: settings["LOOKUP_URL"], ID: settings["BACKEND_ID"], Secret: settings["BACKEND_SECRET"],
	}, nil
}
