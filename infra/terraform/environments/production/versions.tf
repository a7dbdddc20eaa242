terraform {
  required_version = ">= 1.11"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }

  # The bucket is given with -backend-config, by scripts/bootstrap. The state holds Redis's password: who reads the bucket reads it.
  backend "gcs" {
    prefix = "tollgate/production"
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
}
