# A static program on an empty image, run by a user that owns nothing but /data.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The commit, for `version`; the profile, or off for a quick build.
ARG REVISION=""
ARG PGO=cmd/alexa-oidc-bridge/lookup.pgo
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.revision=${REVISION}" -pgo="${PGO}" \
      -o /out/alexa-oidc-bridge ./cmd/alexa-oidc-bridge \
 && mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/alexa-oidc-bridge /alexa-oidc-bridge
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
VOLUME /data
ENV BRIDGE_CONFIG=/etc/alexa-oidc-bridge/config.yaml
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/alexa-oidc-bridge", "health"]
ENTRYPOINT ["/alexa-oidc-bridge"]
CMD ["serve"]
