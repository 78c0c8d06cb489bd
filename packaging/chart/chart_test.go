package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

const source = "../../deploy/helm/bearerd"

// small is the least that must be set; large sets everything.
const (
	small = "issuer: https://auth.example.org\n"
	large = `
issuer: https://auth.example.org/sso
image: {repository: registry.example.org/bearerd, tag: 1.2.3}
imagePullSecrets: [{name: registry}]
config:
  dialects: [gen3, senaite]
  trusted_proxies: [10.0.0.0/8]
  requirements: {api: {scope: write, safe_scope: read}}
  upstream: {headers: {X-Remote-User: username}}
postgresql: {existingSecret: db}
masterKey: {existingSecret: master}
secretFiles: [sign-in]
replicas: 3
serviceAccount: {create: true, annotations: {a: b}}
podAnnotations: {c: d}
podLabels: {team: data}
tolerations: [{key: x, operator: Exists}]
nodeSelector: {kubernetes.io/os: linux}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway}]
priorityClassName: high
env: [{name: BEARERD_AUDIENCE, value: museum}]
serviceMonitor: {enabled: true, labels: {release: prometheus}}
prometheusRule: {enabled: true}
httpRoute: {enabled: true, parentRefs: [{name: eg, namespace: gateways}]}
securityPolicies:
  - {name: museum, namespace: museum, requirement: api, targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: museum}]}
  - {name: here, requirement: api, targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: here}]}
clientTrafficPolicy: {enabled: true, namespace: gateways, targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: eg}], remove: [x-remote-user]}
`
)

// object is one of Kubernetes', before its type reads it.
type object struct {
	kind, name, namespace string
	text                  []byte
}

// into reads the object, and refuses what its type doesn't have.
func (o object) into(t *testing.T, v any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(o.text, v); err != nil {
		t.Fatalf("%s %s: %v\n%s", o.kind, o.name, err, o.text)
	}
}

// render renders the chart with values, as a release called bearerd in the namespace auth.
func render(t *testing.T, values string) ([]object, error) {
	t.Helper()
	c, err := loader.Load(source)
	if err != nil {
		t.Fatal(err)
	}
	var set map[string]any
	if err := yaml.Unmarshal([]byte(values), &set); err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(c, set, common.ReleaseOptions{Name: "bearerd", Namespace: "auth", IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	var objects []object
	for name, text := range files {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for document := range strings.SplitSeq(text, "\n---\n") {
			var head struct {
				Kind     string `json:"kind"`
				Metadata struct {
					Name      string `json:"name"`
					Namespace string `json:"namespace"`
				} `json:"metadata"`
			}
			if err := yaml.Unmarshal([]byte(document), &head); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, document)
			}
			if head.Kind != "" {
				objects = append(objects, object{head.Kind, head.Metadata.Name, head.Metadata.Namespace, []byte(document)})
			}
		}
	}
	return objects, nil
}

func must(t *testing.T, values string) []object {
	t.Helper()
	objects, err := render(t, values)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// only returns the one object of a kind and name.
func only(t *testing.T, objects []object, kind, name string) object {
	t.Helper()
	var found []object
	for _, o := range objects {
		if o.kind == kind && (name == "" || o.name == name) {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("there are %d %s %s", len(found), kind, name)
	}
	return found[0]
}

func kinds(objects []object) string {
	var list []string
	for _, o := range objects {
		list = append(list, o.kind)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestHelmLintsTheChart(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]string{"small": small, "large": large} {
		var set map[string]any
		if err := yaml.Unmarshal([]byte(values), &set); err != nil {
			t.Fatal(err)
		}
		result := lint.RunAll(source, set, "auth")
		for _, m := range result.Messages {
			if m.Severity > support.InfoSev && !strings.Contains(m.Err.Error(), "version '0.0.0' must be greater") {
				t.Errorf("%s: %v", name, m)
			}
		}
	}
}

// pod returns the pods of a deployment or stateful set.
func pod(t *testing.T, objects []object, kind string) corev1.PodTemplateSpec {
	t.Helper()
	o := only(t, objects, kind, "bearerd")
	if kind == "Deployment" {
		var d appsv1.Deployment
		o.into(t, &d)
		return d.Spec.Template
	}
	var s appsv1.StatefulSet
	o.into(t, &s)
	return s.Spec.Template
}

func TestWithSQLiteThereIsOnePodWithAVolume(t *testing.T) {
	t.Parallel()
	objects := must(t, small)
	if got := kinds(objects); got != "ConfigMap Service Service ServiceAccount StatefulSet" {
		t.Errorf("there are %s", got)
	}
	var s appsv1.StatefulSet
	only(t, objects, "StatefulSet", "bearerd").into(t, &s)
	if *s.Spec.Replicas != 1 || len(s.Spec.VolumeClaimTemplates) != 1 || s.Spec.ServiceName != "bearerd-ops" {
		t.Errorf("it is %+v", s.Spec)
	}
	mount := s.Spec.Template.Spec.Containers[0].VolumeMounts
	if !slices.ContainsFunc(mount, func(m corev1.VolumeMount) bool { return m.Name == "state" && m.MountPath == "/var/lib/bearerd" }) {
		t.Errorf("the volume isn't where the database is: %+v", mount)
	}
}

func TestWithPostgreSQLThereAreManyPods(t *testing.T) {
	t.Parallel()
	objects := must(t, large)
	var d appsv1.Deployment
	only(t, objects, "Deployment", "bearerd").into(t, &d)
	if *d.Spec.Replicas != 3 || d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue() != 0 {
		t.Errorf("it is %+v", d.Spec)
	}
	var b policyv1.PodDisruptionBudget
	only(t, objects, "PodDisruptionBudget", "bearerd").into(t, &b)
	if b.Spec.MaxUnavailable.IntValue() != 1 || b.Spec.Selector.MatchLabels["app.kubernetes.io/instance"] != "bearerd" {
		t.Errorf("the budget is %+v", b.Spec)
	}
	container := d.Spec.Template.Spec.Containers[0]
	if env := container.Env[0]; env.Name != "BEARERD_DATABASE" || env.ValueFrom.SecretKeyRef.Name != "db" || env.ValueFrom.SecretKeyRef.Key != "url" {
		t.Errorf("the database comes from %+v", env)
	}
	if got := container.Image; got != "registry.example.org/bearerd:1.2.3" {
		t.Errorf("it runs %s", got)
	}
	if container.Env[1].Name != "BEARERD_AUDIENCE" {
		t.Errorf("the variables are %+v", container.Env)
	}
}

// What a pod may do, how it is asked, and that no variable of Kubernetes' is in its way.
func TestPodsAreHardenedAndProbed(t *testing.T) {
	t.Parallel()
	for kind, values := range map[string]string{"StatefulSet": small, "Deployment": large} {
		spec := pod(t, must(t, values), kind).Spec
		if spec.EnableServiceLinks == nil || *spec.EnableServiceLinks || *spec.AutomountServiceAccountToken {
			t.Errorf("%s: service links %v", kind, spec.EnableServiceLinks)
		}
		if s := spec.SecurityContext; !*s.RunAsNonRoot || *s.RunAsUser != 65532 || *s.FSGroup != 65532 || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s runs as %+v", kind, s)
		}
		c := spec.Containers[0]
		if s := c.SecurityContext; *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || s.Capabilities.Drop[0] != "ALL" {
			t.Errorf("%s may %+v", kind, s)
		}
		if c.ReadinessProbe.HTTPGet.Path != "/readyz" || c.LivenessProbe.HTTPGet.Path != "/healthz" || c.StartupProbe == nil || c.ReadinessProbe.HTTPGet.Port.StrVal != "ops" {
			t.Errorf("%s is probed by %+v, %+v", kind, c.ReadinessProbe, c.LivenessProbe)
		}
		if *spec.TerminationGracePeriodSeconds < 20 {
			t.Errorf("%s is killed after %d s", kind, *spec.TerminationGracePeriodSeconds)
		}
	}
}

// The ports of health and metrics are on a service that nothing else is on.
func TestHealthAndMetricsHaveAServiceOfTheirOwn(t *testing.T) {
	t.Parallel()
	objects := must(t, small)
	var main, ops corev1.Service
	only(t, objects, "Service", "bearerd").into(t, &main)
	only(t, objects, "Service", "bearerd-ops").into(t, &ops)
	if len(main.Spec.Ports) != 1 || main.Spec.Ports[0].TargetPort.StrVal != "http" {
		t.Errorf("the service has %+v", main.Spec.Ports)
	}
	if ops.Spec.ClusterIP != "None" || ops.Spec.Ports[0].TargetPort.StrVal != "ops" {
		t.Errorf("the other has %+v", ops.Spec)
	}
}

// bearerd returns the binary, built once.
var bearerd = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bearerd-chart-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bearerd")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/bearerd")
	cmd.Dir = "../.."
	_, err = cmd.CombinedOutput()
	return path, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := bearerd(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// bearerd takes the configuration and the variables of the pods, beside those that Kubernetes
// would make for the service where links are on.
func TestBearerdTakesTheConfiguration(t *testing.T) {
	t.Parallel()
	path, err := bearerd()
	if err != nil {
		t.Fatal(err)
	}
	for kind, values := range map[string]string{"StatefulSet": small, "Deployment": large} {
		objects := must(t, values)
		var c corev1.ConfigMap
		only(t, objects, "ConfigMap", "bearerd").into(t, &c)
		dir := t.TempDir()
		file := filepath.Join(dir, "bearerd.yaml")
		text := strings.NewReplacer("/var/lib/bearerd/", dir+"/", "/etc/bearerd/master/", dir+"/").Replace(c.Data["bearerd.yaml"])
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		env := []string{"BEARERD_PORT=tcp://10.0.0.1:8080", "BEARERD_SERVICE_HOST=10.0.0.1", "BEARERD_OPS_PORT=tcp://10.0.0.2:9180"}
		for _, v := range pod(t, objects, kind).Spec.Containers[0].Env {
			if v.Name == "BEARERD_DATABASE" {
				v.Value = filepath.Join(dir, "other.db")
			}
			env = append(env, v.Name+"="+v.Value)
		}
		if kind == "Deployment" { // the secret with the master key
			make := exec.Command(path, "keys", "master", filepath.Join(dir, "master.key"))
			if out, err := make.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		cmd := exec.Command(path, "config", "check", "--config", file)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", kind, err, out, text)
		}
		for _, want := range []string{"issuer: https://auth.example.org", "listen: :8080", "ops_listen: :9180", "notice: auto"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %s:\n%s", kind, want, text)
			}
		}
	}
}

// Values that can't work, or would be unsafe, are refused with a reason.
func TestWrongValuesAreRefused(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"{}":                       "issuer",
		"issuer: auth.example.org": "pattern",
		small + "postgresql: {existingSecret: db}": "masterKey.existingSecret must be set",
		small + "config: {database: x}":            "config",
		small + "replica: 2":                       "replica",
		small + "httpRoute: {enabled: true}":       "parentRefs",
		small + "securityPolicies: [{name: a, requirement: b, targetRefs: [{name: c}]}]": `has no "b"`,
		small + "terminationGracePeriodSeconds: 5":                                       "20",
	} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", values, err)
		}
	}
}

// The values on the page about installing are taken, and name what the page says.
func TestTheDocumentedValuesAreTaken(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n# values.yaml\n")
	values, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the page has no values")
	}
	objects := must(t, values)
	for _, kind := range []string{"Deployment", "PodDisruptionBudget", "HTTPRoute", "SecurityPolicy", "ReferenceGrant", "ClientTrafficPolicy", "ServiceMonitor", "PrometheusRule"} {
		only(t, objects, kind, "")
	}
}
