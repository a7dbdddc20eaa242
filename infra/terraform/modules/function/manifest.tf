# What Cloud Deploy puts here: the same service as in main.tf, in the form that Cloud Deploy takes. It is made from the same values,
# so that there is one place to change. The tests hold the two against each other.
locals {
  manifest = {
    apiVersion = "serving.knative.dev/v1"
    kind       = "Service"
    metadata = {
      name = local.service
      annotations = {
        "run.googleapis.com/ingress" = var.is_public ? "internal-and-cloud-load-balancing" : "internal"
      }
    }
    spec = {
      template = {
        metadata = {
          annotations = {
            "autoscaling.knative.dev/minScale"              = tostring(var.min_instances)
            "autoscaling.knative.dev/maxScale"              = tostring(var.max_instances)
            "run.googleapis.com/scaling-concurrency-target" = tostring(var.concurrency_utilization)
            "run.googleapis.com/scaling-cpu-target"         = tostring(var.cpu_utilization)
            "run.googleapis.com/cpu-throttling"             = "false"
            "run.googleapis.com/startup-cpu-boost"          = "true"
            "run.googleapis.com/execution-environment"      = "gen2"
            "run.googleapis.com/vpc-access-egress"          = "private-ranges-only"
            "run.googleapis.com/network-interfaces" = jsonencode([
              { network = var.network, subnetwork = var.subnetwork, tags = var.network_tags },
            ])
          }
        }
        spec = {
          serviceAccountName   = google_service_account.this.email
          containerConcurrency = var.concurrency
          timeoutSeconds       = var.timeout_seconds
          containers = [
            {
              name = "function"
              # A name, not an address: the release says which image that is.
              image     = local.service
              ports     = [{ containerPort = 8080 }]
              resources = { limits = { cpu = var.cpu, memory = var.memory } }
              env = concat(
                [for name, value in local.environment : { name = name, value = value }],
                [for name, secret in var.secret_environment : {
                  name = name, valueFrom = { secretKeyRef = { name = secret, key = "latest" } }
                }],
              )
              volumeMounts  = [for name, folder in local.function_mounts : { name = name, mountPath = folder }]
              startupProbe  = merge(local.manifest_probe, { initialDelaySeconds = local.startup_delay_seconds })
              livenessProbe = merge(local.manifest_probe, { initialDelaySeconds = local.liveness_delay_seconds })
            },
            {
              name         = "metrics"
              image        = var.telemetry.metrics_image
              resources    = { limits = { cpu = "0.5", memory = "256Mi" } }
              volumeMounts = [{ name = "metrics", mountPath = local.metrics_folder }]
            },
            {
              name         = "collector"
              image        = var.telemetry.collector_image
              args         = ["--config=${local.collector_folder}/config.yaml"]
              resources    = { limits = { cpu = "0.5", memory = "256Mi" } }
              volumeMounts = [{ name = "collector", mountPath = local.collector_folder }]
            },
          ]
          volumes = [for name, volume in local.volumes : {
            name = name
            secret = {
              secretName = volume.secret
              items      = [{ key = "latest", path = volume.file }]
            }
          }]
        }
      }
    }
  }

  manifest_probe = {
    httpGet          = { path = local.probe.path, port = 8080 }
    periodSeconds    = local.probe.period_seconds
    timeoutSeconds   = local.probe.timeout_seconds
    failureThreshold = local.probe.failure_threshold
  }
}
