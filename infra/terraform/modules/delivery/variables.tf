variable "project_id" {
  description = "The project of the pipelines."
  type        = string
}

variable "region" {
  description = "The region of the pipelines, and of the functions."
  type        = string
}

variable "functions" {
  description = "The functions; each has a pipeline of its own, for Cloud Deploy puts one service into a target."
  type        = set(string)
}

variable "staging" {
  description = "The project that a release is put into first."
  type = object({
    project_id     = string
    project_number = string
  })
}

variable "production" {
  description = "The project that it is promoted to, and the alert policies (of that project) any of which ends a canary."
  type = object({
    project_id     = string
    project_number = string
    alert_policies = list(string)
  })
}

variable "canary_percentages" {
  description = "What share of the traffic a new revision gets, step by step, before it gets all of it."
  type        = list(number)
  default     = [10, 50]
  validation {
    condition     = length(var.canary_percentages) >= 1 && alltrue([for share in var.canary_percentages : share > 0 && share < 100])
    error_message = "A canary has one share at least, each above 0 and below 100: all at once is no canary."
  }
  validation {
    condition     = var.canary_percentages == tolist([for share in sort([for it in var.canary_percentages : format("%03d", it)]) : tonumber(share)])
    error_message = "A canary's shares grow."
  }
}

variable "phase_minutes" {
  description = "How long each step is watched before the next."
  type        = number
  default     = 10
  validation {
    # The alerts of a canary look at 5 minutes, and metrics come half a minute late.
    condition     = var.phase_minutes >= 10 && var.phase_minutes <= 120
    error_message = "phase_minutes is 10 to 120: the alerts look at 5 minutes, and have to have seen them."
  }
}

variable "gcloud_image" {
  description = "Google's image of gcloud, which starts the verifier."
  type        = string
  default     = "gcr.io/google.com/cloudsdktool/google-cloud-cli:528.0.0-slim"
}
