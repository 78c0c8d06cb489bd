# bearerd and nothing else: no shell, no libraries, no root.
#
#   docker build --build-arg VERSION=$(git describe --tags --always) -t bearerd .
#   docker run -p 127.0.0.1:8080:8080 -v bearerd:/var/lib/bearerd bearerd
#
# An image has no program to ask /readyz with: let the orchestrator ask it, on the
# port of ops_listen, which must not be published.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download && go mod verify
COPY . .
ARG VERSION=devel
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/bearerd ./cmd/bearerd \
    && mkdir -p /out/state /out/tmp && chmod 0700 /out/state && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/bearerd /bearerd
COPY --from=build --chown=65532:65532 /out/state /var/lib/bearerd
COPY --from=build --chown=65532:65532 /out/tmp /tmp
USER 65532:65532
WORKDIR /var/lib/bearerd
VOLUME /var/lib/bearerd
ENV BEARERD_LISTEN=0.0.0.0:8080 BEARERD_OPS_LISTEN=0.0.0.0:9180
EXPOSE 8080
ENTRYPOINT ["/bearerd"]
CMD ["serve"]
