locals {
  # The revision that is on trial has an address of its own, so that the verifier does not ask the old one nine times out of ten.
  canary_tag = "canary"

  phases = concat(
    [for share in var.canary_percentages : { id = "canary-${share}", percentage = share }],
    [{ id = "stable", percentage = 100 }],
  )

  address = {
    for name, target in { staging = var.staging, production = var.production } :
    name => "tollgate-payments-${target.project_number}.${var.region}.run.app"
  }

  # `tollgate verify` runs as a job in the target's own project and network, with the key of the synthetic merchant: see infra/delivery.
  verify = {
    for key, it in {
      staging           = { project = var.staging.project_id, url = "https://${local.address.staging}", expect = "authorized" }
      production        = { project = var.production.project_id, url = "https://${local.address.production}", expect = "failed" }
      production-canary = { project = var.production.project_id, url = "https://${local.canary_tag}---${local.address.production}", expect = "failed" }
    } :
    key => [
      "run", "jobs", "execute", "tollgate-verify", "--project=${it.project}", "--region=${var.region}", "--wait",
      "--args=verify,--url,${it.url},--expect,${it.expect}",
    ]
  }
}

resource "google_service_account" "deployer" {
  project      = var.project_id
  account_id   = "tollgate-deploy"
  display_name = "Tollgate: renders, deploys and verifies releases"
}

resource "google_service_account" "automation" {
  project      = var.project_id
  account_id   = "tollgate-automation"
  display_name = "Tollgate: advances canaries, and rolls them back"
}

resource "google_project_iam_member" "deployer" {
  for_each = toset(["roles/clouddeploy.jobRunner", "roles/logging.logWriter", "roles/serviceusage.serviceUsageConsumer"])
  project  = var.project_id
  role     = each.value
  member   = google_service_account.deployer.member
}

# The analysis asks whether an alert is firing.
resource "google_project_iam_member" "analysis" {
  project = var.production.project_id
  role    = "roles/monitoring.alertPolicyViewer"
  member  = google_service_account.deployer.member
}

resource "google_project_iam_member" "automation" {
  project = var.project_id
  role    = "roles/clouddeploy.operator"
  member  = google_service_account.automation.member
}

# A rollback is a rollout, which runs as the deployer.
resource "google_service_account_iam_member" "automation_deploys" {
  service_account_id = google_service_account.deployer.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.automation.member
}

resource "google_clouddeploy_target" "staging" {
  project  = var.project_id
  location = var.region
  name     = "tollgate-staging"
  run {
    location = "projects/${var.staging.project_id}/locations/${var.region}"
  }
  execution_configs {
    usages          = ["RENDER", "PREDEPLOY", "DEPLOY", "VERIFY", "POSTDEPLOY", "ANALYSIS"]
    service_account = google_service_account.deployer.email
  }
}

resource "google_clouddeploy_target" "production" {
  project          = var.project_id
  location         = var.region
  name             = "tollgate-production"
  require_approval = true
  run {
    location = "projects/${var.production.project_id}/locations/${var.region}"
  }
  execution_configs {
    usages          = ["RENDER", "PREDEPLOY", "DEPLOY", "VERIFY", "POSTDEPLOY", "ANALYSIS"]
    service_account = google_service_account.deployer.email
    # A phase watches for so long, and the verifier has its time.
    execution_timeout = "${(var.phase_minutes + 50) * 60}s"
  }
}

resource "google_clouddeploy_delivery_pipeline" "this" {
  for_each    = var.functions
  project     = var.project_id
  location    = var.region
  name        = "tollgate-${each.value}"
  description = "The function ${each.value}: staging, then production by canary"

  serial_pipeline {
    stages {
      target_id = google_clouddeploy_target.staging.name
      profiles  = ["staging"]
      strategy {
        standard {
          verify = true
          verify_config {
            tasks {
              container {
                image   = var.gcloud_image
                command = ["gcloud"]
                args    = local.verify.staging
              }
            }
          }
        }
      }
    }

    stages {
      target_id = google_clouddeploy_target.production.name
      profiles  = ["production"]
      strategy {
        canary {
          runtime_config {
            cloud_run {
              automatic_traffic_control = true
              canary_revision_tags      = [local.canary_tag]
            }
          }
          custom_canary_deployment {
            dynamic "phase_configs" {
              for_each = local.phases
              content {
                phase_id   = phase_configs.value.id
                percentage = phase_configs.value.percentage
                profiles   = ["production"]
                verify     = true
                verify_config {
                  tasks {
                    container {
                      image   = var.gcloud_image
                      command = ["gcloud"]
                      args    = each.value == "payments" && phase_configs.value.percentage < 100 ? local.verify.production-canary : local.verify.production
                    }
                  }
                }
                # The phase ends when this does, so this is how long a phase takes. It fails, and is rolled back, when one of the alerts fires.
                analysis {
                  duration = "${var.phase_minutes * 60}s"
                  dynamic "google_cloud" {
                    for_each = length(var.production.alert_policies) == 0 ? [] : [var.production.alert_policies]
                    content {
                      alert_policy_checks {
                        id             = "canary"
                        alert_policies = google_cloud.value
                      }
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}

resource "google_clouddeploy_automation" "advance" {
  for_each          = google_clouddeploy_delivery_pipeline.this
  project           = var.project_id
  location          = var.region
  name              = "advance"
  delivery_pipeline = each.value.name
  service_account   = google_service_account.automation.email
  description       = "From one step of a canary to the next, once it has been watched"
  selector {
    targets {
      id = google_clouddeploy_target.production.name
    }
  }
  rules {
    advance_rollout_rule {
      id            = "advance"
      source_phases = [for share in var.canary_percentages : "canary-${share}"]
      # The phase itself has taken its time.
      wait = "0s"
    }
  }
}

resource "google_clouddeploy_automation" "rollback" {
  for_each          = google_clouddeploy_delivery_pipeline.this
  project           = var.project_id
  location          = var.region
  name              = "rollback"
  delivery_pipeline = each.value.name
  service_account   = google_service_account.automation.email
  description       = "Back to the last good release when a step fails: not deployed, not verified, or an alert"
  selector {
    targets {
      id = google_clouddeploy_target.production.name
    }
  }
  rules {
    repair_rollout_rule {
      id = "rollback"
      # No second try: what failed is in front of merchants.
      repair_phases {
        rollback {
          # At once to everybody, not by canary.
          destination_phase = "stable"
        }
      }
    }
  }
}
