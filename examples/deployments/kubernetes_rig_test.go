package deployments_test

import (
	"path"
	"strings"
	"testing"
)

type metadata struct {
	Name, Namespace string
	Labels          map[string]string
	Annotations     map[string]string
}

type selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

type deployment struct {
	Metadata metadata
	Spec     struct {
		Replicas int
		Selector selector
		Strategy struct {
			Type          string
			RollingUpdate struct {
				MaxUnavailable *int `yaml:"maxUnavailable"`
				MaxSurge       int  `yaml:"maxSurge"`
			} `yaml:"rollingUpdate"`
		}
		Template struct {
			Metadata metadata
			Spec     pod
		}
	}
}

type pod struct {
	Automount       *bool `yaml:"automountServiceAccountToken"`
	ServiceLinks    *bool `yaml:"enableServiceLinks"`
	Grace           int   `yaml:"terminationGracePeriodSeconds"`
	SecurityContext struct {
		RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
		RunAsUser      string                `yaml:"runAsUser"`
		FSGroup        string                `yaml:"fsGroup"`
		SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Spread []struct {
		LabelSelector selector `yaml:"labelSelector"`
	} `yaml:"topologySpreadConstraints"`
	Containers []container
	Volumes    []podVolume
}

type container struct {
	Image string
	Args  []string
	Ports []struct {
		Name string
		Port string `yaml:"containerPort"`
	}
	Env       []struct{ Name string }
	Startup   probe `yaml:"startupProbe"`
	Readiness probe `yaml:"readinessProbe"`
	Liveness  probe `yaml:"livenessProbe"`
	Lifecycle struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	}
	SecurityContext struct {
		Escalation   *bool                   `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRoot bool                    `yaml:"readOnlyRootFilesystem"`
		Capabilities struct{ Drop []string } `yaml:"capabilities"`
	} `yaml:"securityContext"`
	Resources struct {
		Requests, Limits map[string]string
	}
	Mounts []struct {
		Name string
		Path string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

type podVolume struct {
	Name      string
	EmptyDir  any `yaml:"emptyDir"`
	Projected struct {
		Sources []struct {
			ConfigMap struct{ Name string } `yaml:"configMap"`
			Secret    struct {
				Name  string
				Items []struct{ Key, Path string }
			}
		}
	}
}

type service struct {
	Metadata metadata
	Spec     struct {
		Selector map[string]string
		Ports    []struct {
			Name       string
			TargetPort string `yaml:"targetPort"`
		}
	}
}

type ingress struct {
	Metadata metadata
	Spec     struct {
		TLS []struct {
			Hosts      []string
			SecretName string `yaml:"secretName"`
		}
		Rules []struct {
			Host string
			HTTP struct {
				Paths []struct {
					Path    string
					Backend struct {
						Service struct {
							Name string
							Port struct{ Name string }
						}
					}
				}
			}
		}
	}
}

type budget struct {
	Metadata metadata
	Spec     struct {
		MinAvailable int `yaml:"minAvailable"`
		Selector     selector
	}
}

type networkPolicy struct {
	Metadata metadata
	Spec     struct {
		PodSelector selector `yaml:"podSelector"`
		Types       []string `yaml:"policyTypes"`
		Ingress     []struct {
			From  []any
			Ports []struct{ Port string }
		}
		Egress []struct {
			Ports []struct{ Port string }
		}
	}
}

type kustomization struct {
	Namespace  string
	Resources  []string
	ConfigMaps []struct {
		Name  string
		Files []string
	} `yaml:"configMapGenerator"`
	Images []struct {
		Name string
		To   string `yaml:"newName"`
		Tag  string `yaml:"newTag"`
	}
}

// manifest is all of the example for Kubernetes.
type manifest struct {
	namespace     struct{ Metadata metadata }
	deployment    deployment
	service       service
	ingress       ingress
	budget        budget
	policy        networkPolicy
	kustomization kustomization
	config        configText
	readme        string
}

func readManifest(t *testing.T) manifest {
	t.Helper()
	text := read(t, kubernetesFolder, "bridge.yaml")
	return manifest{
		namespace:     only[struct{ Metadata metadata }](t, text, "Namespace"),
		deployment:    only[deployment](t, text, "Deployment"),
		service:       only[service](t, text, "Service"),
		ingress:       only[ingress](t, text, "Ingress"),
		budget:        only[budget](t, text, "PodDisruptionBudget"),
		policy:        only[networkPolicy](t, text, "NetworkPolicy"),
		kustomization: decode[kustomization](t, kubernetesFolder, "kustomization.yaml"),
		config:        decode[configText](t, kubernetesFolder, "config.yaml"),
		readme:        read(t, kubernetesFolder, "README.md"),
	}
}

func (m manifest) pod() pod { return m.deployment.Spec.Template.Spec }

func (m manifest) container(t *testing.T) container {
	t.Helper()
	if n := len(m.pod().Containers); n != 1 {
		t.Fatalf("%d containers", n)
	}
	return m.pod().Containers[0]
}

// port is the number of a named port of the container.
func (m manifest) port(t *testing.T, name string) string {
	t.Helper()
	for _, port := range m.container(t).Ports {
		if port.Name == name {
			return port.Port
		}
	}
	t.Errorf("the container has no port %q", name)
	return ""
}

// secretFiles are the files in secrets/ beside the configuration.
func (m manifest) secretFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, volume := range m.pod().Volumes {
		for _, source := range volume.Projected.Sources {
			for _, item := range source.Secret.Items {
				if item.Path != path.Join("secrets", item.Key) {
					t.Errorf("%s becomes %s, and is secrets/%s where check is run", item.Key, item.Path, item.Key)
				}
				files = append(files, strings.TrimPrefix(item.Path, "secrets/"))
			}
		}
	}
	if len(files) == 0 {
		t.Fatal("there are no secrets")
	}
	return files
}
